"""Show the active source as it is best seen: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin import scene

scene.show_active()
