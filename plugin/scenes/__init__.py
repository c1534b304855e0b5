"""What runs inside ParaView: scripts for its programs, and what its Python calls."""
