"""`hyperinr export` and `hyperinr export-cinema`: what a model says, in files for programs that know no models."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.plugin.commands.model import parse_theta, sampled
from hyperinr.plugin.options import (
    at_option,
    backend_option,
    fields_option,
    model_argument,
    output_dims_option,
    output_option,
)
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.files import new_folder, replacing
from hyperinr_core.loading import load_any
from hyperinr_core.model import Model
from hyperinr_core.pictures.picture_set import is_picture, to_bytes, write_optics
from hyperinr_core.radiance.model import RadianceModel

#: Most files that one command writes.
MOST_FILES = 1_000_000


@click.command()
@model_argument
@click.option("--times", required=True, help="FIRST:LAST:STEP, or values with commas between.")
@at_option("Value of every parameter but time.")
@output_dims_option
@fields_option
@backend_option
@output_option("A .pvd or .vtkhdf file.")
def export(
    model: str,
    times: str,
    places: tuple[str, ...],
    dims: tuple[int, int, int] | None,
    fields: tuple[str, ...],
    backend: str,
    output: Path,
) -> None:
    """Write the volumes that MODEL gives at many times.

    NAME.pvd lists .vti files, which lie in a folder NAME beside it. NAME.vtkhdf is one time, or for several times
    NAME.vtkhdf.series lists files in such a folder; VTK 9.2 cannot write them, newer ones can.
    """
    from hyperinr.filters.image import image_of, write_pvd

    if output.suffix not in (".pvd", ".vtkhdf"):
        raise ParameterError(f"output is {output}; expected a name that ends in .pvd or .vtkhdf")
    network = hinr.load(model)
    thetas = _thetas(network, parse_values("times", times), places)
    names = list(fields) or [field.name for field in network.fields]
    grid = network.grid.with_dims(dims) if dims else network.grid
    suffix, write = _writer(output.suffix)

    def image_at(theta: dict[str, float]) -> Any:
        inr = network.generate(theta, backend)
        return image_of(inr, sampled(inr, grid), names, grid)

    network.generate(thetas[0], backend).split(
        np.empty((0, network.n_output_dims)), names
    )  # wrong names fail before work
    if suffix == ".vtkhdf" and len(thetas) == 1:
        write(output, image_at(thetas[0]))
        click.echo(f"{output}: {' x '.join(map(str, grid.dims))}, {', '.join(names)}")
        return
    time_name = _time_name(network)
    with new_folder(output.with_suffix("")) as folder:
        steps = [(theta[time_name], f"{output.stem}_{number:05d}{suffix}") for number, theta in enumerate(thetas)]
        for (_, name), theta in zip(steps, thetas):
            write(folder / name, image_at(theta))
    listed = [(time, f"{output.stem}/{name}") for time, name in steps]
    if suffix == ".vti":
        write_pvd(output, listed)
    else:
        output = output.with_name(f"{output.name}.series")
        files = [{"name": name, "time": time} for time, name in listed]
        with replacing(output) as part:
            part.write_text(json.dumps({"file-series-version": "1.0", "files": files}, indent=1), encoding="utf-8")
    click.echo(f"{output}: {len(thetas)} times of {' x '.join(map(str, grid.dims))}, {', '.join(names)}")


@click.command(name="export-cinema")
@model_argument
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="NAME=FIRST:LAST:STEP",
    help="Values of each parameter; or NAME=a,b,c.",
)
@click.option("--format", "suffix", default="png", show_default=True, type=click.Choice(["png", "jpg"]))
@backend_option
@output_option("The database to write, a new folder.", folder=True)
def export_cinema(model: str, grids: tuple[str, ...], suffix: str, backend: str, output: Path) -> None:
    """Write the pictures that MODEL predicts on a grid of its parameters as a Cinema database (specification D)."""
    from hyperinr.filters.readers.picture_files import write_picture
    from hyperinr.filters.readers.tables import write_table

    network = load_any(model)
    if not is_picture(network.grid, network.fields):
        raise ParameterError(f"{model} is no model of pictures; expected one made by `hyperinr train-views`")
    axes = _axes(network, grids)
    thetas = np.array(list(itertools.product(*axes)))
    for theta in (np.array([axis.min() for axis in axes]), np.array([axis.max() for axis in axes])):
        network.theta(theta)  # out of bounds is found before the work, not after
    with new_folder(output) as folder:
        (folder / "image").mkdir()
        files = [f"image/{number:06d}.{suffix}" for number in range(len(thetas))]
        for theta, name in zip(thetas, files):
            write_picture(folder / name, _picture(network, theta, backend))
        if isinstance(network, RadianceModel):
            write_optics(folder, network.optics)
        write_table(folder, [parameter.name for parameter in network.parameters], thetas, files)
    click.echo(f"{output}: {len(thetas)} pictures of {network.grid.dims[0]} x {network.grid.dims[1]}")


def _picture(network: Model | RadianceModel, theta: np.ndarray, backend: str) -> np.ndarray:
    if isinstance(network, RadianceModel):
        return network.picture(theta)
    return to_bytes(network.generate(theta, backend).sample_grid()[0])


def parse_values(what: str, text: str) -> np.ndarray:
    """Numbers of FIRST:LAST:STEP, the last one included when a step meets it, or of a list with commas.

    Raises ParameterError for anything else.
    """
    try:
        if ":" not in text:
            values = np.array([float(part) for part in text.split(",")])
        else:
            first, last, step = (float(part) for part in text.split(":"))
            if not step > 0 or last < first or (last - first) / step > MOST_FILES:
                raise ValueError
            values = first + step * np.arange(int((last - first) / step + 1 + 1e-9))
    except (ValueError, OverflowError):
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise ParameterError(
            f"{what} is {text!r}; expected FIRST:LAST:STEP with a positive step, or numbers with commas between"
        )
    return values


def _time_name(network: Model) -> str:
    for parameter in network.parameters:
        if parameter.role == "time":
            return parameter.name
    names = ", ".join(parameter.name for parameter in network.parameters)
    raise ParameterError(f"the model has no time but {names}; expected one, use `hyperinr sample` for single volumes")


def _thetas(network: Model, times: np.ndarray, places: tuple[str, ...]) -> list[dict[str, float]]:
    name, others = _time_name(network), parse_theta(places)
    thetas = [{**others, name: float(time)} for time in times]
    for theta in thetas:
        network.theta(theta)
    return thetas


def _axes(network: Model | RadianceModel, grids: tuple[str, ...]) -> list[np.ndarray]:
    """Values of each parameter in the model's order."""
    given = {}
    for text in grids:
        name, _, values = text.partition("=")
        given[name.strip()] = parse_values(f"--grid {name.strip()}", values)
    names = [parameter.name for parameter in network.parameters]
    if set(given) != set(names):
        raise ParameterError(f"--grid is given for {sorted(given)}; expected one for each of {sorted(names)}")
    if np.prod([float(len(values)) for values in given.values()]) > MOST_FILES:
        raise ParameterError(f"--grid asks for more than {MOST_FILES} pictures; expected fewer, take larger steps")
    return [given[name] for name in names]


def _writer(suffix: str) -> tuple[str, Callable[[Path, Any], None]]:
    """Suffix of the files of single volumes, and what writes one."""
    from hyperinr.filters.image import hdf_writer, write_image

    return (".vti", write_image) if suffix == ".pvd" else (".vtkhdf", hdf_writer())
