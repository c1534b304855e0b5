"""Pictures of a volume by paths of light: scattered many times, with soft shadows, a lens, and light from all around."""
