"""The application: the command line, what runs inside ParaView for it, and starting ParaView."""
