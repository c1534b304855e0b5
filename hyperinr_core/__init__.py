"""HyperINR: a few volumes in, a neural field for any time, light or view between them out.

::

    volumes V(theta) ─► teacher ─► distillation set ─► HyperINR ─► model.hinr                      training, torch
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
    model.hinr ─► generate(theta) ─► INR ─► sample_grid ─► vtkImageData ─► ParaView      viewing, NumPy and a kernel

A model is a set of encoders placed in the space of the scene's parameters, and one network that they share. For a theta
between them the encoders around it are blended, and what comes out is a compact neural field, which can be sampled at any
point of space.

=================  ==============  ==================================================================
name               shape           what it is
=================  ==============  ==================================================================
theta              (P,)            parameters of the scene, in their own units; theta_bounds is (P, 2)
encoder_positions  (N, P)          where the encoders lie
encoder_params     (N, M)          their hash tables
mlp_params         (W,)            the network's weight matrices, one after the other
weights            (K,)            interpolation coefficients over encoders, which sum to 1
points             (B, D)          where a field is sampled: x y z in [0, 1]
values             (B, C)          what it is there, in the fields' units
dims               (nx, ny, nz)    sizes of a grid, always in this order
shape              (nz, ny, nx)    NumPy's order of the same, always in this order
=================  ==============  ==================================================================

Importing this imports nothing else: a name is fetched when it is asked for, and torch only when something is trained.

Examples
--------
>>> import hyperinr_core
>>> model = hyperinr_core.load("flow.hinr")
>>> model.generate(0.5).sample_grid().shape
(8, 10, 12, 1)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperinr_core import errors
    from hyperinr_core.hinr import load, save
    from hyperinr_core.hypernet import HyperINR
    from hyperinr_core.inr import INR
    from hyperinr_core.loading import load_any
    from hyperinr_core.training.run import train
    from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

__version__ = "0.1.0"

__all__ = [
    "INR",
    "Field",
    "Grid",
    "HyperINR",
    "Parameter",
    "VolumeSeries",
    "errors",
    "load",
    "load_any",
    "save",
    "train",
]

#: Where each name is.
_MODULES = {
    "HyperINR": "hypernet",
    "INR": "inr",
    "load": "hinr",
    "load_any": "loading",
    "save": "hinr",
    "train": "training.run",
    **dict.fromkeys(("Field", "Grid", "Parameter", "VolumeSeries"), "volume"),
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module(f"{__name__}.errors")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
