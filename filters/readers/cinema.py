"""Cinema databases, specification D: a folder with a CSV table whose rows are parameters and the name of a picture."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.pictures.picture_set import PictureSet, field_name
from hyperinr_core.spaces.views import AZIMUTH
from hyperinr_core.volume import Grid

#: Names of columns by the role they are recognised as, in lower case.
KNOWN_ROLES = {"phi": AZIMUTH, "azimuth": AZIMUTH, "elevation": "view_elevation", "polar": "view_polar", "time": "time"}

SUFFIXES = (".png", ".jpg", ".jpeg")

#: How a camera file beside the table is called.
CAMERA_FILE = "camera.json"


def open_pictures(path: str | os.PathLike, roles: dict[str, str] | None = None) -> PictureSet:
    """The pictures of a Cinema database, a folder with one CSV table, or a table.

    Parameters
    ----------
    roles : of parameters by their names, over what their names are recognised as.

    Raises
    ------
    DataError for a table without pictures or numbers, a picture that is missing, or pictures of unequal size.
    """
    table = _table(Path(path))
    names, rows = _rows(table)
    column = _picture_column(table, names, rows)
    parameters, thetas = _parameters(table, names, rows, column)
    if len(parameters) == 1:
        order = np.argsort(thetas[:, 0], kind="stable")
        rows, thetas = [rows[index] for index in order], thetas[order]
    files = [table.parent / row[column] for row in rows]
    size, n_components = _common_size(table, files)
    roles = {**{name: _role(name, values) for name, values in zip(parameters, thetas.T)}, **_known(roles, parameters)}
    _check_distinct(table, parameters, thetas)
    _check_poles(table, parameters, thetas, roles)
    grid = Grid((*size, 1))
    units = {name: "deg" for name in parameters if roles[name].startswith("view_")}
    return PictureSet(
        grid, thetas, {field_name(n_components): n_components}, lambda step, _, __: read_picture(files[step], n_components)[None],
        str(path), tuple(parameters), tuple(roles[name] for name in parameters), units,
        files=tuple(files), camera=table.parent / CAMERA_FILE,
    )  # fmt: skip


def read_picture(path: Path, n_components: int | None = None) -> np.ndarray:
    """(ny, nx, C) uint8 with the lowest row first; C is 3, or 4 where there is transparency, unless told."""
    with _opened(path) as image:
        mode = {3: "RGB", 4: "RGBA"}[n_components or _components(image)]
        try:
            return np.array(image.convert(mode))[::-1]
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(
                f"{path} is no whole picture ({error}); expected a PNG or JPEG file, get it again"
            ) from error


def write_picture(path: str | os.PathLike, pixels: np.ndarray, quality: int = 90) -> None:
    """Write pixels (ny, nx, C) uint8, lowest row first, by the name's suffix, whole or not at all."""
    suffix = Path(path).suffix.lower()
    with replacing(path) as part, open(part, "wb") as file:
        file.write(encoded(pixels, "PNG" if suffix == ".png" else "JPEG", quality))


def encoded(pixels: np.ndarray, kind: str, quality: int = 90) -> bytes:
    """Pixels (ny, nx, C) uint8, lowest row first, as the bytes of a PNG or JPEG file."""
    import io

    image = _pillow().fromarray(np.ascontiguousarray(pixels[::-1]))
    buffer = io.BytesIO()
    if kind == "PNG":
        image.save(buffer, "PNG", compress_level=6)
    else:
        image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_table(folder: Path, names: Sequence[str], thetas: np.ndarray, files: Sequence[str]) -> None:
    """Write data.csv of a database; the pictures' paths are given from the folder."""
    with replacing(folder / "data.csv") as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "FILE"])
        writer.writerows([*(f"{value:.9g}" for value in theta), name] for theta, name in zip(thetas, files))


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path} is not there; expected a Cinema database, a folder with data.csv, check the path")
    tables = sorted(path.glob("*.csv"))
    named = [table for table in tables if table.name == "data.csv"] or tables
    if len(named) != 1:
        raise DataError(
            f"{path} has {len(tables)} CSV tables; expected data.csv beside the pictures, or one other table"
        )
    return named[0]


def _rows(table: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            names, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(map(str.strip, row))]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} is no table with a header ({error}); expected comma-separated values") from error
    if not rows:
        raise DataError(f"{table} has a header and no rows; expected a row for each picture")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(f"{table} line {number} has {len(row)} cells; expected {len(names)}, as the header has")
    return names, rows


def _picture_column(table: Path, names: list[str], rows: list[list[str]]) -> int:
    """The column of pictures: FILE, or the first whose name starts with it, or the first that holds names of pictures."""
    held = [all(Path(row[index]).suffix.lower() in SUFFIXES for row in rows) for index in range(len(names))]
    named = [index for index, name in enumerate(names) if name.upper().startswith("FILE") and held[index]]
    chosen = named or [index for index, whole in enumerate(held) if whole]
    if not chosen:
        raise DataError(
            f"{table} has columns {', '.join(names)} and none of them names a {', '.join(SUFFIXES)} file in every row; "
            "expected a column FILE"
        )
    return chosen[0]


def _parameters(table: Path, names: list[str], rows: list[list[str]], column: int) -> tuple[list[str], np.ndarray]:
    """Names and values (n, P) of the parameters: the numeric columns that vary."""
    parameters, columns = [], []
    for index, name in enumerate(names):
        if index == column or name.upper().startswith("FILE"):
            continue
        if len({row[index] for row in rows}) == 1:
            continue  # a constant, or a word such as the name of the program
        values = [_number(table, name, line, row[index]) for line, row in enumerate(rows, start=2)]
        if len(set(values)) > 1:
            parameters.append(name)
            columns.append(values)
    if not parameters:
        raise DataError(
            f"{table} has {len(rows)} picture(s) and no numeric column whose values differ; expected views or other "
            "parameters to predict pictures between"
        )
    if len(set(parameters)) != len(parameters):
        raise DataError(f"{table} has two columns of one name among {', '.join(parameters)}; expected different names")
    return parameters, np.array(columns, np.float64).T


def _number(table: Path, name: str, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{table} line {line} has {name} {text!r}; expected a finite number, remove the column or mend it"
        )
    return value


def _role(name: str, values: np.ndarray) -> str:
    """What a column is by its name; theta is an elevation when it has negative values, polar otherwise."""
    if name.lower() == "theta":
        return "view_elevation" if values.min() < 0 else "view_polar"
    return KNOWN_ROLES.get(name.lower(), "free")


def _known(roles: dict[str, str] | None, parameters: Sequence[str]) -> dict[str, str]:
    unknown = sorted(set(roles or {}) - set(parameters))
    if unknown:
        raise ParameterError(f"there is no parameter {unknown[0]!r}; expected one of {', '.join(parameters)}")
    return roles or {}


def _check_distinct(table: Path, parameters: list[str], thetas: np.ndarray) -> None:
    unique, counts = np.unique(thetas, axis=0, return_counts=True)
    if counts.max() > 1:
        place = ", ".join(f"{n} {v:g}" for n, v in zip(parameters, unique[counts.argmax()]))
        raise DataError(f"{table} has {counts.max()} pictures at {place}; expected one for each combination")


def _check_poles(table: Path, parameters: list[str], thetas: np.ndarray, roles: dict[str, str]) -> None:
    """DataError for cameras beyond a pole, which stand on their heads."""
    limits = {"view_elevation": (-90.0, 90.0), "view_polar": (0.0, 180.0)}
    for name, values in zip(parameters, thetas.T):
        low, high = limits.get(roles[name], (-np.inf, np.inf))
        if values.min() < low or values.max() > high:
            raise DataError(
                f"{table} has {name} from {values.min():g} to {values.max():g}; expected {low:g} to {high:g} degrees, take "
                "the pictures beyond out, or give the parameter the role free"
            )


def _common_size(table: Path, files: Sequence[Path]) -> tuple[tuple[int, int], int]:
    """Width and height, and components, that all pictures share; only headers are read."""
    sizes: list[tuple[int, int]] = []
    n_components = 3
    for file in files:
        with _opened(file) as image:
            width, height = image.size
            sizes.append((width, height))
            n_components = max(n_components, _components(image))
        if sizes[-1] != sizes[0]:
            raise DataError(
                f"{file} has {width} x {height} pixels, {files[0]} has {sizes[0][0]} x {sizes[0][1]}; "
                "expected pictures of one size, scale or crop them first"
            )
    width, height = sizes[0]
    if min(width, height) < 8:
        raise DataError(f"{table} has pictures of {width} x {height} pixels; expected at least 8 along each side")
    return (width, height), n_components


def _components(image: Any) -> int:
    return 4 if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info else 3


def _opened(path: Path) -> Any:
    try:
        return _pillow().open(path)
    except FileNotFoundError:
        raise DataError(f"{path} is not there but the table names it; expected a picture, check the database") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} is no picture ({error}); expected a PNG or JPEG file") from error


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise HyperINRError("pictures need Pillow, which is not installed; run `pip install pillow`") from None
    return Image
