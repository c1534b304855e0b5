"""Show the active source in a light from everywhere: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin import shading

shading.occlude_active()
