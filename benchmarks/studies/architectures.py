"""The paper's figure 6: networks of about equal numbers of parameters, and hash tables large enough not to limit."""

from __future__ import annotations

from study import Variant, run


def variants(n_training_steps: int) -> dict[str, Variant]:
    """About 2.1 million parameters each; the networks without tables cost a hundred times more a sample and draw fewer."""
    small = {"encoding": {"log2_hashmap_size": 14}, "encoders": {"count": 6}}
    return {
        "linear interpolation": Variant("linear"),
        "CoordNet": Variant("coordnet", attributes={"learning_rate": 1e-4}, samples=0.25),
        "NeurComp": Variant("neurcomp", samples=0.25),
        "HashINR, T = 2^17": Variant("hash_inr"),
        "HashINR, T = 2^21": Variant("hash_inr", attributes={"log2_hashmap_size": 21}),
        "HyperINR, 6 encoders of T = 2^14": Variant("hyperinr_direct", small),
        f"HyperINR, {n_training_steps} encoders": Variant("hyperinr_direct"),
        f"HyperINR, {n_training_steps} encoders, distilled": Variant("hyperinr"),
    }


if __name__ == "__main__":
    run("architectures", "Networks on steps they were not trained on (figure 6)", variants)
