"""In ParaView's window: goes to a time that lies on none of the training steps."""

from paraview import simple

simple.GetAnimationScene().AnimationTime = 0.7123 if simple.GetAnimationScene().PlayMode == "Sequence" else 0.71
