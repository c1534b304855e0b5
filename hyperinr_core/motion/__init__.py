"""Motion in a model: its decoded training steps are carried along stored paths to any time between them."""
