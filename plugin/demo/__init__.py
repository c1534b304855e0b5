"""What `hyperinr demo` shows: turbulence, and figures of it."""
