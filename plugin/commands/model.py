"""`hyperinr info` and `hyperinr sample`: what is in a model, and getting it out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperinr.filters.about import errors_in_words, mean_psnr, motion_in_words, quality_of_original
from hyperinr.plugin.options import (
    at_option,
    backend_option,
    fields_option,
    json_option,
    model_argument,
    output_dims_option,
    output_option,
)
from hyperinr.plugin.understanding import range_in_words
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.joining import listed
from hyperinr_core.radiance import file

if TYPE_CHECKING:
    import numpy as np

    from hyperinr_core.inr import INR
    from hyperinr_core.model import Model
    from hyperinr_core.volume import Grid

#: Points that are sampled at once, about.
MOST_AT_ONCE = 1 << 24


@click.command()
@model_argument
@json_option("Print one JSON object.")
def info(model: str, as_json: bool) -> None:
    """Say what MODEL holds: parameters, grid, fields, settings, quality and size."""
    is_radiance = file.is_radiance(model)
    document = file.read_header(model) if is_radiance else hinr.read_header(model)
    document["bytes"] = os.path.getsize(model)
    is_index = "bricks" in document
    if is_index:
        document["bytes"] += hinr.load(model).n_bytes
    if document.get("motion"):
        document["motion_bytes"] = document["motion"]["bytes"] if is_index else hinr.motion_bytes(model)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    kind = "Radiance fields" if is_radiance else "HyperINR model"
    click.echo(f"{model}: {kind}, format version {document['version']}, {document['bytes'] / 1e6:.1f} MB")
    for parameter in document["parameters"]:
        low, high = parameter["bounds"]
        unit = f" {parameter['units']}" if parameter["units"] else ""
        click.echo(
            f"  parameter {parameter['name']} ({parameter['role']}): {low:g} to {high:g}{unit}, "
            f"trained on {len(parameter['values'])} values"
        )
    provenance = document["provenance"]
    _say_scenes(document) if is_radiance else _say_network(document)
    if provenance:
        click.echo(f"  made by {provenance.get('software', '?')} from {provenance.get('source', '?')}")


def _say_scenes(document: dict[str, Any]) -> None:
    width, height = document["size"]
    click.echo(f"  pictures {width} x {height}, seen by {document['optics']['view_angle']:g} degrees")
    sizes = {" x ".join(map(str, scene["dims"])) for scene in document["scenes"]}
    click.echo(f"  {len(document['scenes'])} scene(s) of {' or '.join(sorted(sizes))} voxels")


def _say_network(document: dict[str, Any]) -> None:
    grid, provenance = document["grid"], document["provenance"]
    click.echo(f"  grid {' x '.join(map(str, grid['dims']))}, origin {grid['origin']}, spacing {grid['spacing']}")
    shares = document["mask"]["shares"] if document.get("mask") else [0.0] * len(document["fields"])
    for field, share in zip(document["fields"], shares):
        masked = f", {share:.1%} masked" if share else ""
        click.echo(f"  field {_field_line(field)}{masked}{_quality(field['name'], document['quality'], provenance)}")
    if "bricks" in document:
        _say_bricks(document["bricks"])
    else:
        _say_settings(document)
    if document.get("motion"):
        traced, size = motion_in_words(document["motion"]["anchored"]), document["motion_bytes"] / 1e6
        click.echo(f"  training steps carried along {traced}, {size:.2f} MB, unless --interpolation says otherwise")
    if document.get("bound"):
        fields, errors = document["fields"], document["bound"]["largest_errors"]
        within = errors_in_words([f["name"] for f in fields], [f["units"] for f in fields], errors)
        click.echo(f"  at every training step {within}, unless --interpolation says otherwise")
    if "tables" in document:
        differences = document["tables"]["differences"]  # of all levels, or of each
        told = any(differences) if isinstance(differences, list) else differences
        how = ", differences between neighbouring encoders" if told else ""
        click.echo(f"  tables coded in steps of {max(document['tables']['steps']):.3g}{how}")
    if document.get("base"):
        click.echo(f"  base of splines for output(s) {', '.join(map(str, document['base']['components']))}")


def _say_bricks(bricks: dict[str, Any]) -> None:
    missing = [number for number, name in enumerate(bricks["files"]) if name is None]
    without = f", without {listed(missing)}" if missing else ""
    cut = " x ".join(map(str, bricks["counts"]))
    click.echo(f"  bricks {cut} in {bricks['folder']}, {2 * bricks['overlap']} points of overlap{without}")


def _say_settings(document: dict[str, Any]) -> None:
    click.echo("  encoding " + ", ".join(f"{key} {value:g}" for key, value in document["encoding"].items()))
    click.echo("  network " + ", ".join(f"{key} {value:g}" for key, value in document["network"].items()))
    click.echo(f"  interpolation {document['interpolation']}")


def _field_line(field: dict[str, Any]) -> str:
    ranges = ", ".join(range_in_words(low, high, 6) for low, high in field["value_range"])
    unit = f" {field['units']}" if field["units"] else ""
    return f"{field['name']} ({field['n_components']} component(s)): {ranges}{unit}"


def _quality(name: str, quality: dict[str, Any], provenance: dict[str, Any]) -> str:
    on_training = "{:.2f} dB on the training steps"
    trained, compressed = mean_psnr(quality), mean_psnr(quality, "original_psnr_db")
    if name in trained:
        return ", " + on_training.format(trained[name])
    if name not in compressed:
        return ""
    before = mean_psnr(quality_of_original(provenance)).get(name)
    has = "" if before is None else ", which has " + on_training.format(before)
    return f", {compressed[name]:.2f} dB against the model it was compressed from{has}"


@click.command()
@model_argument
@at_option("Value of a parameter; one for each.")
@output_dims_option
@fields_option
@click.option(
    "--interpolation", help="linear or catmull_rom, of the encoders.  [default: along the motion; as stored without]"
)
@backend_option
@output_option("A .vti or .npy file.")
def sample(
    model: str,
    places: tuple[str, ...],
    dims: tuple[int, int, int] | None,
    fields: tuple[str, ...],
    interpolation: str | None,
    backend: str,
    output: Path,
) -> None:
    """Sample MODEL at one theta into a volume.

    A .vti holds every field; a .npy holds one field as (nz, ny, nx) or, for vectors, (nz, ny, nx, c). Masked points are NaN.
    """
    if output.suffix not in (".vti", ".npy"):
        raise ParameterError(f"output is {output}; expected a name that ends in .vti or .npy")
    network = hinr.load(model)
    inr = network.generate(parse_theta(places), backend, interpolation)
    names = list(fields) or [field.name for field in network.fields]
    inr.split(_nothing(network), names)  # an unknown field is found before the work, not after
    if output.suffix == ".npy" and len(names) > 1:
        raise ParameterError(f"a .npy holds one field, the model has {', '.join(names)}; choose with --field")
    grid = network.grid.with_dims(dims) if dims else network.grid
    _write(output, inr, sampled(inr, grid), names, grid)
    click.echo(f"{output}: {' x '.join(map(str, grid.dims))}, {', '.join(names)}")


def sampled(inr: INR, grid: Grid) -> np.ndarray:
    """(nz, ny, nx, C) at all points; of a large grid block by block: not all of the steps around is decoded at once."""
    import numpy as np

    nx, ny, nz = grid.dims
    depth = max(MOST_AT_ONCE // (nx * ny), 1)
    if depth >= nz:
        return inr.sample_grid(grid)
    values = np.empty((nz, ny, nx, sum(field.n_components for field in inr.fields)), inr.dtype)
    for first in range(0, nz, depth):
        last = min(first + depth, nz) - 1
        values[first : last + 1] = inr.sample_grid(grid, (0, nx - 1, 0, ny - 1, first, last))
    return values


def parse_theta(places: tuple[str, ...]) -> dict[str, float]:
    """{"time": 0.37} from ("time=0.37",); ParameterError for anything else."""
    theta = {}
    for place in places:
        name, equals, value = place.partition("=")
        try:
            theta[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise ParameterError(f"--at is {place!r}; expected NAME=NUMBER, such as time=0.37")
    return theta


def _nothing(network: Model) -> np.ndarray:
    import numpy as np

    return np.empty((0, network.n_output_dims), np.float32)


def _write(output: Path, inr: INR, values: np.ndarray, names: list[str], grid: Grid) -> None:
    if output.suffix == ".vti":
        from hyperinr.filters.image import image_of, write_image

        write_image(output, image_of(inr, values, names, grid))
        return
    import numpy as np

    from hyperinr_core.files import replacing

    with replacing(output) as part, open(part, "wb") as written:
        np.save(written, next(iter(inr.split(values, names).values())))
