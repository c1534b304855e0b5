"""Pictures from any view, as a task of training."""
