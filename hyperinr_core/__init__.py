"""HyperINR: a few volumes in, a neural field for any theta out. Importing this needs NumPy alone."""

__version__ = "0.1.0"
