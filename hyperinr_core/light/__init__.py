"""Light through a volume: shadow volumes, where lights lie, and the guide that a light gives its model."""
