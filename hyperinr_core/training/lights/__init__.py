"""Shadows for any light, as a task of training."""
