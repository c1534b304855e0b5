"""Tie the light of the active HyperINR Shadow to the camera, or untie it: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin import shading

shading.toggle_light()
