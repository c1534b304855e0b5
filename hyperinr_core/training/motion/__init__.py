"""The motion of a series: found by optical flow and from saved velocities, refined, and weighed by leaving steps out."""
