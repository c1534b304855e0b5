"""Radiance fields: density and colour in space that show a scene from any camera."""
