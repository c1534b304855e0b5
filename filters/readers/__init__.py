"""Reading series of volumes and pictures from files."""
