"""Decoded steps: kept while time moves, all of one moment on one box."""

from __future__ import annotations

import numpy as np
import pytest
from carried import carried_model

REGION = (70, 80, 0, 19, 0, 15)


def long_model():
    return carried_model(lambda t: np.array([10 * t, t, -t]), dims=(160, 20, 16))


@pytest.mark.parametrize(("first", "then"), [(0.2, 0.7), (0.2, 1.2), (1.7, 0.3)])
def test_a_part_is_that_of_the_whole_whatever_was_asked_for_before(first, then):
    model, other = long_model(), long_model()
    whole = other.generate(then).sample_grid()[:, :, 70:81]
    np.testing.assert_array_equal(other.generate(then).sample_grid(region=REGION), whole)
    model.generate(first).sample_grid()
    np.testing.assert_array_equal(model.generate(then).sample_grid(region=REGION), whole)


def decoded(monkeypatch, model, work):
    """The steps that a model decodes meanwhile."""
    steps, decode = [], type(model)._decode

    def noted(self, backend, step, *rest):
        steps.append(step)
        return decode(self, backend, step, *rest)

    monkeypatch.setattr(type(model), "_decode", noted)
    work()
    return steps


@pytest.mark.parametrize("region", [None, REGION])
def test_steps_are_decoded_once_while_time_moves(monkeypatch, region):
    model = long_model()
    times = np.linspace(0.51, 1.49, 9)  # two gaps
    work = lambda: [model.generate(time).sample_grid(region=region) for time in times]  # noqa: E731 - one line
    assert decoded(monkeypatch, model, work) == [0, 1, 2, 3, 4]


def test_a_training_step_is_decoded_alone(monkeypatch):
    model = long_model()
    assert decoded(monkeypatch, model, lambda: model.generate(0.5).sample_grid()) == [1]
    np.testing.assert_allclose(
        model.generate(0.5).sample_grid(), model.generate(0.5, interpolation="linear").sample_grid(), atol=1e-5
    )
