"""The demo's pictures where there is no ParaView: slices through the middle of what `scenes/demo_pictures.py` draws whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperinr.filters.readers.series import open_series
from hyperinr_core import hinr
from hyperinr_core.model import Model
from hyperinr_core.spaces.line import linear_weights
from hyperinr_core.volume import Grid

#: Pixels that a picture has across, at least.
SIZE = 480


def draw(job: dict) -> None:
    """Save the panels and the frames of a job of `commands/demo.py`."""
    folder, looks, model = Path(job["folder"]), job["looks"], hinr.load(job["model"])
    planes = panels(job, model)
    for name, plane in planes.items():
        save(folder / f"{name}.png", plane, looks["field"])
    for name in ("model", "linear"):
        save(folder / f"{name}_difference.png", abs(planes[name] - planes["truth"]), looks["difference"])
    grid = model.grid.with_dims(tuple(job["frame_dims"]))
    for number, moment in enumerate(job["frame_times"]):
        save(folder / f"frame_{number:03d}.png", plane_of(model, job["field"], grid, moment), looks["field"])


def panels(job: dict, model: Model) -> dict[str, np.ndarray]:
    """The middle plane (ny, nx) of the truth, the model and linear interpolation at the job's moment."""
    data, trained, field = open_series(job["series"]), open_series(job["training_series"]), job["field"]
    step = int(np.argmin(abs(data.thetas[:, 0] - job["time"])))
    indices, weights = linear_weights(trained.thetas[:, 0], job["time"])
    linear = sum(weight * trained.read(int(index), [field]) for index, weight in zip(indices, weights))
    middle = model.grid.dims[2] // 2
    return {
        "truth": data.read(step, [field])[middle, :, :, 0],
        "model": plane_of(model, field, model.grid, job["time"]),
        "linear": np.asarray(linear)[middle, :, :, 0],
    }


def plane_of(model: Model, field: str, grid: Grid, time: float) -> np.ndarray:
    """The middle plane (ny, nx) of a grid, of one field at one time."""
    nx, ny, nz = grid.dims
    plane = model.generate(time).sample_grid(grid, (0, nx - 1, 0, ny - 1, nz // 2, nz // 2))
    return plane[0, :, :, [each.name for each in model.fields].index(field)]


def colors_of(look: dict) -> tuple[str, tuple[float, float]]:
    """matplotlib's name of a look's colour map, and the values it runs over."""
    return look["colors"].partition(" ")[0].lower(), (look["low"], look["high"])


def save(path: Path, plane: np.ndarray, look: dict) -> None:
    """Write a plane (ny, nx) in the colours of a look, y upwards, each value as a square of pixels."""
    from matplotlib.image import imsave

    times = -(-SIZE // max(plane.shape))
    colors, (low, high) = colors_of(look)
    imsave(path, plane.repeat(times, 0).repeat(times, 1), cmap=colors, vmin=low, vmax=high, origin="lower")
