"""Where encoders lie in parameter space, and how those around a theta blend."""
