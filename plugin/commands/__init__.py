"""The commands of `hyperinr`, one verb or two a file."""
