"""Volumes over time or any parameters, as a task of training."""
