"""Pictures: as fields on a plane, of volumes, and how both are coloured."""
