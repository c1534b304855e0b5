"""The paper's figure 8: how many encoders, and where."""

from __future__ import annotations

from study import Variant, run


def variants(n_training_steps: int) -> dict[str, Variant]:
    """Shares and multiples of one encoder for each training step, all taught by the same flow."""
    counts = sorted({max(2, round(share * n_training_steps)) for share in (0.25, 0.5, 1, 1.5, 2)})
    found = {f"{count} encoders": _with({"count": count}) for count in counts}
    found[f"{n_training_steps} encoders by Poisson disks"] = _with({"count": n_training_steps, "poisson": 1.0})
    found[f"{n_training_steps} encoders, 3/4 by Gaussians"] = _with({"count": n_training_steps, "gaussian": 0.75})
    return found


def _with(encoders: dict) -> Variant:
    return Variant("hyperinr", {"encoders": encoders}, {"taught_by": "flow"})


if __name__ == "__main__":
    run("encoder_positions", "Number and placement of encoders (figure 8)", variants)
