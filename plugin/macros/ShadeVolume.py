"""Shade the active source with its own shadow: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin import shading

shading.shade_active()
