"""A shadow model beside interpolation of its training lights' volumes, on lights it never saw."""

from __future__ import annotations

import functools

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.lights import ShadowTruth
from hyperinr_core.measure.metrics import paired_psnr, ssim
from hyperinr_core.measure.report import Progress, Report, Scores, duel
from hyperinr_core.pictures.transfer import TransferFunction, extinction, from_document
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.sphere import LIGHT_ROLES

#: Random paths from each point in each of the two truths of light that scatters. Their noise is not in the PSNR, see
#: `paired_scores`.
TRUTH_PATHS = 8

#: Shadows are shares of light.
RANGE = (0.0, 1.0)


def truth_for(model: HyperINR, values: np.ndarray, path: str) -> tuple[ShadowTruth, TransferFunction]:
    """What a model was trained on: its provenance holds the transfer function and the kind of shadows.

    Parameters
    ----------
    values : (nz, ny, nx) scalars that cast the shadows, on the model's grid.
    path : the model's, for messages.

    Raises
    ------
    ParameterError for a model that is no shadow model.
    """
    made = model.provenance
    if [p.role for p in model.parameters] != list(LIGHT_ROLES) or not {"shadow", "transfer_function"} <= set(made):
        raise ParameterError(f"{path} is no shadow model; expected one made by `hyperinr train-shadow`")
    settings = made["shadow"]
    function = from_document(made["transfer_function"], path)
    tau = extinction(values, function, settings["unit_distance"])
    numbers = {name: settings[name] for name in ("kind", "diameter", "albedo", "g")}
    return ShadowTruth(tau, model.grid, **numbers, n_paths=TRUTH_PATHS), function


def twice(truth: ShadowTruth, light: np.ndarray, seed: int) -> list[np.ndarray]:
    """The truth (nz, ny, nx) two times: for light that scatters with independent noise, else the same."""
    return [values.reshape(truth.grid.shape) for values in truth.twice(light, seed)]


class InterpolatedLights:
    """Shadow volumes of the training lights, blended by inverse distance on the sphere; computed when they are needed.

    Raises DataError for a model that does not know its training lights.
    """

    def __init__(self, model: HyperINR, truth: ShadowTruth) -> None:
        lights = np.array([parameter.values for parameter in model.parameters]).T
        if not len(lights):
            raise DataError("the model does not say which lights it was trained on; expected one made by train-shadow")
        self._space = space_of(LIGHT_ROLES, lights)
        self._volume = functools.cache(lambda number: twice(truth, lights[number], 2 + 2 * number))

    def __call__(self, light: np.ndarray) -> np.ndarray:
        """(nz, ny, nx) for a light (2,)."""
        first, second = self.twice(light)
        return (first + second) / 2

    def twice(self, light: np.ndarray) -> list[np.ndarray]:
        """Two volumes (nz, ny, nx) whose noise is independent."""
        indices, weights = self._space.weights(light, "idw")
        parts = [(np.float32(weight), self._volume(int(index))) for index, weight in zip(indices, weights)]
        return [functools.reduce(np.add, (weight * volumes[half] for weight, volumes in parts)) for half in range(2)]


def measure_lights(
    model: HyperINR,
    truth: ShadowTruth,
    interpolate: InterpolatedLights,
    lights: np.ndarray,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Measure the model and the interpolation on lights (n, 2).

    Returns
    -------
    {"held_out": {method: {"psnr", "ssim"}}, "wins": share of the lights on which the model's PSNR is higher,
    "lights": [{"azimuth", "polar", method: {"psnr", "ssim"}}]}
    """
    entries = []
    for done, light in enumerate(lights, start=1):
        expected = twice(truth, light, 0)
        predicted = model.generate(light, backend).sample_grid()[..., 0]
        rivals = {"model": [predicted] * 2, "interpolation": interpolate.twice(light)}
        found = {method: paired_scores(values, expected) for method, values in rivals.items()}
        entries.append({"azimuth": float(light[0]), "polar": float(light[1]), **found})
        if progress:
            progress(done, len(lights))
    return duel("lights", entries)


def paired_scores(values: list[np.ndarray], truth: list[np.ndarray]) -> Scores:
    """PSNR and SSIM of values against truth, each given twice with independent noise. Noise lowers the SSIM."""
    return {
        "psnr": paired_psnr(values, truth),
        "ssim": ssim((values[0] + values[1]) / 2, (truth[0] + truth[1]) / 2, RANGE),
    }
