"""Which way what radiance fields show goes from scene to scene: by optical flow on their opacities, where that pays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from hyperinr_core.measure.metrics import picture_psnr
from hyperinr_core.pictures.picture_set import PictureSet
from hyperinr_core.radiance.carrying import Paths
from hyperinr_core.radiance.field import DENSITY, MOST_LOG, RadianceField
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.training.teachers.optical_flow import optical_flow

#: Points along the longest axis of the lattice on which flow is looked for, and how many times as coarse paths are kept.
LONGEST, COARSER = 48, 2

#: Numbers of a path from the middle of a gap to its end.
CODES = 10000

#: Scenes that are left out to see whether carrying pays, and pictures of each, at most.
N_TRIED, N_SHOWN = 6, 4


def carried(
    model: RadianceModel, training: PictureSet, progress: Callable[[float], object]
) -> tuple[RadianceModel, dict[str, float]]:
    """The model with paths between its scenes, if they predict scenes that are left out better than blending does.

    Parameters
    ----------
    training : the pictures of all scenes.

    Returns
    -------
    The model and {"carried", "blended": mean PSNR in dB of pictures of scenes that were left out}, which is empty where there
    are fewer than three scenes or not one parameter besides the view, since then nothing tells.
    """
    n_scenes = len(model.scenes)
    if model.positions.shape[1] != 1 or n_scenes < 3:
        return model, {}
    tried = np.unique(np.linspace(1, n_scenes - 2, min(n_scenes - 2, N_TRIED)).round().astype(int))
    scores: dict[str, list[float]] = {"carried": [], "blended": []}
    for number, scene in enumerate(tried):
        around = [int(scene) - 1, int(scene) + 1]
        fields = [model.scenes[i] for i in around]
        apart = dataclasses.replace(model, positions=model.positions[around], scenes=fields)
        paths = {"carried": paths_between(fields), "blended": None}
        rows = np.flatnonzero(training.thetas[:, model.others[0]] == model.positions[scene, 0])
        for name, numbers in scores.items():
            one = dataclasses.replace(apart, paths=paths[name])
            for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), N_SHOWN)).astype(int))]:
                picture = one.picture(training.thetas[row], camera=training.camera(row))
                numbers.append(picture_psnr(picture, training.picture(int(row))))
        progress((number + 1) / len(tried))
    means = {name: round(float(np.mean(numbers)), 3) for name, numbers in scores.items()}
    if means["carried"] <= means["blended"]:
        return model, means
    return dataclasses.replace(model, paths=paths_between(model.scenes)), means


def paths_between(scenes: Sequence[RadianceField]) -> Paths:
    """Through all gaps between scenes in their order."""
    ends = [(f.origin, np.add(f.origin, np.multiply(f.spacing, np.subtract(f.dims, 1)))) for f in scenes]
    low, high = np.min([first for first, _ in ends], axis=0), np.max([last for _, last in ends], axis=0)
    spacing = float((high - low).max() / (LONGEST - 1))
    counts = [COARSER * int(-(-edge // (COARSER * spacing)) + 1) for edge in high - low]
    flows = []
    before = _opacity(scenes[0], low, spacing, counts)
    for scene in scenes[1:]:
        after = _opacity(scene, low, spacing, counts)
        flow = optical_flow(before, after, (False,) * 3)[::-1]
        nz, ny, nx = (n // COARSER for n in flow.shape[1:])
        flows.append(flow.reshape(3, nz, COARSER, ny, COARSER, nx, COARSER).mean(axis=(2, 4, 6)))
        before = after
    found = np.stack(flows) * np.float32(spacing)
    step = max(float(abs(found).max()) / CODES, 1e-6)
    x, y, z = (low + (COARSER - 1) / 2 * spacing).tolist()
    return Paths((x, y, z), COARSER * spacing, np.rint(found / step).astype(np.int16), step)


def _opacity(field: RadianceField, origin: np.ndarray, spacing: float, counts: Sequence[int]) -> np.ndarray:
    """(1, nz, ny, nx) float32 of one spacing's length, at so many points along x, y, z."""
    nz, ny, nx = counts[::-1]
    z, y, x = np.meshgrid(*(np.arange(n) for n in (nz, ny, nx)), indexing="ij")
    places = (np.stack([x, y, z], axis=-1).reshape(-1, 3) * spacing + origin - field.origin) / field.spacing
    depth = np.exp(np.minimum(field.lattice.sample(places)[:, DENSITY], MOST_LOG)) * (spacing / field.spacing)
    return (1 - np.exp(-depth)).reshape(1, nz, ny, nx).astype(np.float32)
