"""The paper's figure 9: levels, features, table size, and growth of the resolution from level to level."""

from __future__ import annotations

from study import Variant, run

#: What each setting is varied over; the others keep the paper's values L = 8, F = 4, T = 2^15, growth 2.
VARIED = {
    "n_levels": (1, 2, 4, 8),
    "n_features_per_level": (1, 2, 4, 8),
    "log2_hashmap_size": (12, 14, 15, 17),
    "per_level_scale": (1.4, 1.6, 2.0),
}


def variants(n_training_steps: int) -> dict[str, Variant]:
    """One setting at a time, all taught by the same flow."""
    paper = {"per_level_scale": 2.0}
    return {
        f"{name} = {value}": Variant("hyperinr", {"encoding": {**paper, name: value}}, {"taught_by": "flow"})
        for name, values in VARIED.items()
        for value in values
    }


if __name__ == "__main__":
    run("encoder_sizes", "Settings of an encoder (figure 9)", variants)
