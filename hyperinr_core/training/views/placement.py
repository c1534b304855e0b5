"""Where the encoders of a model of pictures stand, and the views that its teacher is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from hyperinr_core.light.lights import poisson_lights, random_lights
from hyperinr_core.pictures.picture_set import PictureSet
from hyperinr_core.training.placement import place
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.volume import Parameter

#: Distinct values of a parameter besides the view that get encoders of their own; of more, so many even steps do.
MOST_VALUES, STEPS = 16, 5


def encoder_positions(
    training: PictureSet, parameters: tuple[Parameter, ...], config: RunConfig, count: int, taught: bool
) -> np.ndarray:
    """(N, P) where encoders stand, at most `count` of them.

    Over views: spread over the sphere at each value of the other parameters. Otherwise, and without a teacher: on the
    training pictures, or as the settings place them.
    """
    columns = training.columns()
    if columns is None:
        if len(training) <= count and not config.encoders.count:
            return np.unique(training.thetas, axis=0)
        return place(
            training, config.encoders.replace(count=min(count, config.encoders.count or count)), config.training.seed
        )
    if not taught and len(training) <= count:
        return training.thetas
    others = [column for column in range(len(parameters)) if column not in columns]
    axes = [_values(training.thetas[:, column]) for column in others]
    layers = list(itertools.product(*axes))
    positions = []
    for number, layer in enumerate(layers):
        chosen = placed_views(
            training, parameters, columns, config, max(4, count // len(layers)), config.training.seed + number
        )
        rows = np.empty((len(chosen), len(parameters)))
        rows[:, list(columns)], rows[:, others] = chosen, layer
        positions.append(rows)
    return np.concatenate(positions)


def _values(values: np.ndarray) -> np.ndarray:
    distinct = np.unique(values)
    return distinct if len(distinct) <= MOST_VALUES else np.linspace(distinct[0], distinct[-1], STEPS)


def placed_views(
    training: PictureSet,
    parameters: tuple[Parameter, ...],
    columns: tuple[int, int],
    config: RunConfig,
    count: int,
    seed: int,
) -> np.ndarray:
    """(count, 2) angles as the parameters count them: Poisson disks on the sphere, and the share `gaussian` around
    training views, whose azimuth and elevation are in two columns of the thetas."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 13]))
    n_gaussian = round(config.encoders.gaussian * count)
    chosen = np.unique(training.thetas[:, list(columns)], axis=0)[rng.integers(0, 1 << 30, n_gaussian) % len(training)] if (
        n_gaussian
    ) else np.empty((0, 2))  # fmt: skip
    bounds = np.array([parameters[column].bounds for column in columns])
    around = chosen + config.encoders.sigma * (bounds[:, 1] - bounds[:, 0]) * rng.standard_normal(chosen.shape)
    spread = views_within(bounds, training.roles[columns[1]], count - n_gaussian, lambda n: poisson_lights(n, seed + 1))
    return np.clip(np.concatenate([around, spread]), bounds[:, 0], bounds[:, 1])


def views_within(bounds: np.ndarray, role: str, count: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """(count, 2) angles within bounds (2, 2), of those that `draw` spreads over the sphere as azimuth and polar angle."""
    if not count:
        return np.empty((0, 2))
    n = count
    while True:
        azimuth, polar = draw(n).T
        turns = np.floor((azimuth - bounds[0, 0]) / 360) * 360
        views = np.stack([azimuth - turns, polar if role == "view_polar" else 90 - polar], axis=1)
        views = views[((views >= bounds[:, 0]) & (views <= bounds[:, 1])).all(axis=1)]
        if len(views) >= count:
            return views[np.linspace(0, len(views) - 1, count).round().astype(int)]
        n = max(n + 8, int(n * min(4.0, 1.1 * count / max(len(views), 1))))


def taught_thetas(training: PictureSet, parameters: tuple[Parameter, ...], count: int, seed: int) -> np.ndarray:
    """(count, P) views all over the bounds, at training values of the other parameters in turn."""
    columns = training.columns()
    rng = np.random.Generator(np.random.Philox(key=[seed, 15]))
    if columns is None:
        low, high = np.array([parameter.bounds for parameter in parameters]).T
        return low + (high - low) * rng.random((count, len(parameters)))
    thetas = training.thetas[rng.integers(0, len(training), count)]
    bounds = np.array([parameters[column].bounds for column in columns])
    role = training.roles[columns[1]]
    thetas[:, list(columns)] = views_within(bounds, role, count, lambda n: random_lights(0, n, seed))
    return thetas
