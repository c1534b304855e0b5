"""The demo's pictures where there is no ParaView: slices through the middle of what `scenes/demo_pictures.py` draws whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperinr.filters.readers.series import open_series
from hyperinr_core import hinr
from hyperinr_core.pictures.look import Look
from hyperinr_core.spaces.line import linear_weights

#: Pixels that a picture has across, at least.
SIZE = 480


def draw(job: dict) -> None:
    """Save the panels and the frames of a job of `commands/demo.py`."""
    folder, field = Path(job["folder"]), job["field"]
    looks = {kind: Look.from_dict(look) for kind, look in job["looks"].items()}
    planes = panels(job)
    for name, plane in planes.items():
        save(folder / f"{name}.png", plane, looks["field"])
    for name in ("model", "linear"):
        save(folder / f"{name}_difference.png", abs(planes[name] - planes["truth"]), looks["difference"])
    model = hinr.load(job["model"])
    channel = [each.name for each in model.fields].index(field)
    grid = model.grid.with_dims(tuple(job["frame_dims"]))
    nx, ny, nz = grid.dims
    middle = (0, nx - 1, 0, ny - 1, nz // 2, nz // 2)
    for number, moment in enumerate(job["frame_times"]):
        plane = model.generate(moment).sample_grid(grid, middle)[0, :, :, channel]
        save(folder / f"frame_{number:03d}.png", plane, looks["field"])


def panels(job: dict) -> dict[str, np.ndarray]:
    """The middle plane (ny, nx) of the truth, the model and linear interpolation at the job's moment."""
    data, trained, field = open_series(job["series"]), open_series(job["training_series"]), job["field"]
    step = int(np.argmin(abs(data.thetas[:, 0] - job["time"])))
    indices, weights = linear_weights(trained.thetas[:, 0], job["time"])
    model = hinr.load(job["model"])
    volumes = {
        "truth": data.read(step, [field]),
        "model": model.generate(job["time"]).sample_grid()[..., [[each.name for each in model.fields].index(field)]],
        "linear": sum(weight * trained.read(int(index), [field]) for index, weight in zip(indices, weights)),
    }
    return {name: np.asarray(volume)[len(volume) // 2, :, :, 0] for name, volume in volumes.items()}


def save(path: Path, plane: np.ndarray, look: Look) -> None:
    """Write a plane (ny, nx) in the colours of a look, y upwards, each value as a square of pixels."""
    from matplotlib.image import imsave

    times = -(-SIZE // max(plane.shape))
    large = plane.repeat(times, 0).repeat(times, 1)
    imsave(path, large, cmap=look.colors.partition(" ")[0].lower(), vmin=look.low, vmax=look.high, origin="lower")
