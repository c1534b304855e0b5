"""The paper's figure 7: one network for all encoders, or one for each, when parameters are interpolated."""

from __future__ import annotations

from study import Variant, run


def variants(n_training_steps: int) -> dict[str, Variant]:
    """The same encoders and points; only what they share differs."""
    return {
        "linear interpolation": Variant("linear"),
        "shared network": Variant("hyperinr_direct"),
        "a network for each encoder": Variant("hyperinr_separate"),
    }


if __name__ == "__main__":
    run("shared_network", "Shared against separate networks (figure 7)", variants)
