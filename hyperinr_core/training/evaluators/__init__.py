"""Ways to train tables and a network. Each is an `Evaluator`; those that are compiled have a line in `EVALUATORS`.

A module here is called torch, so that this file, whose names are the package's, cannot import the other one.
"""

from __future__ import annotations

import importlib
import logging
from typing import NamedTuple

from hyperinr_core.architecture import Architecture
from hyperinr_core.errors import BackendError
from hyperinr_core.training.evaluators.base import Evaluator
from hyperinr_core.training.evaluators.torch import TorchEvaluator

logger = logging.getLogger("hyperinr")


class Spec(NamedTuple):
    """Where an evaluator is: a class in a module of this package, and the kind of torch device that it trains on."""

    module: str
    attribute: str
    device: str


#: Compiled ones by name, the fastest first; where none of them runs, torch does.
EVALUATORS = {
    "triton": Spec("triton", "TritonEvaluator", "cuda"),
    "tcnn": Spec("tcnn", "TcnnEvaluator", "cuda"),
    "native": Spec("native", "NativeEvaluator", "cpu"),
}


def make_evaluator(architecture: Architecture, device: str, precision: str = "float32") -> Evaluator:
    """The fastest evaluator for cpu or cuda: a compiled one where there is one that runs, torch otherwise.

    precision : of the CPU kernel's products, "float32" or "mixed"; BackendError where it has no tiles for the latter.
    """
    if device == "cpu" and precision != "float32":
        from hyperinr_core.training.evaluators.native import NativeEvaluator

        return NativeEvaluator(architecture, precision)
    tried = (_attempt(name, architecture) for name, spec in EVALUATORS.items() if spec.device == device)
    return next((evaluator for evaluator in tried if evaluator is not None), None) or TorchEvaluator(architecture)


def evaluator_class(name: str) -> type[Evaluator]:
    """A compiled evaluator's class; ImportError or BackendError where what it needs is not there."""
    spec = EVALUATORS[name]
    return getattr(importlib.import_module(f"{__name__}.{spec.module}"), spec.attribute)


def _attempt(name: str, architecture: Architecture) -> Evaluator | None:
    try:
        evaluator = evaluator_class(name)(architecture)
        evaluator.check()
    except (BackendError, ImportError) as error:
        logger.info("not trained with %s: %s", name, error)
        return None
    return evaluator
