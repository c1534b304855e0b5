"""A picture by paths of light of the active volume, beside the view: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin.scenes import cinematic_view

cinematic_view.take()
