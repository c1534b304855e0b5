"""Tie the picture of the active radiance field to the camera, or untie it: an entry of ParaView's menu Macros, and a button."""

from hyperinr.plugin.scenes import camera_picture

camera_picture.toggle()
