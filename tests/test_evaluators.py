"""What the trainer asks of an evaluator, and what it does about the answers."""

from __future__ import annotations

import pytest
import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.training import evaluators
from hyperinr_core.training.evaluators.base import Adam, Evaluator
from hyperinr_core.training.evaluators.torch import TorchEvaluator
from hyperinr_core.training.trainer import _quiet_torch

ARCHITECTURE = Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1)


def test_the_first_step_of_adam_by_hand():
    # the moments are 0.1 g and 0.01 g^2 after it; without their bias the step is the learning rate, whatever g is
    params, m, v = torch.zeros(2), torch.zeros(2), torch.zeros(2)
    adam = Adam(1, 0.5, 0.9, 0.99, 0.0)
    TorchEvaluator(ARCHITECTURE).adam_step(params, torch.tensor([4.0, -0.2]), m, v, adam, 0.25)
    assert adam.rate == pytest.approx(0.5 * 0.1 / 0.1)
    torch.testing.assert_close(m, torch.tensor([0.1, -0.005]))
    torch.testing.assert_close(v, torch.tensor([0.01, 0.000025]))
    torch.testing.assert_close(params, torch.tensor([-0.5, 0.5]))


@pytest.mark.parametrize("name, alone", [("native", True), ("torch", False)])
def test_torch_leaves_the_processors_to_an_evaluator_with_threads(name, alone):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        evaluator = TorchEvaluator(ARCHITECTURE) if name == "torch" else evaluators.make_evaluator(ARCHITECTURE, "cpu")
        with _quiet_torch(evaluator):
            inside = torch.get_num_threads()
        assert (evaluator.name, inside, torch.get_num_threads()) == (name, 1 if alone else 3, 3)
    finally:
        torch.set_num_threads(before)


def test_only_half_precision_gradients_are_scaled():
    kinds = [TorchEvaluator, *(evaluators.evaluator_class(name) for name in ("triton", "native"))]
    assert [issubclass(kind, Evaluator) and kind.scales_loss for kind in kinds] == [True, False, False]
