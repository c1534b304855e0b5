"""Databases of pictures: Cinema's, specifications D and A, and pictures that have a camera each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.given_cameras import beside_pictures, column_of, table_cameras, transforms
from hyperinr.filters.readers.image_stack import image_stack
from hyperinr.filters.readers.listing import SUFFIXES, Listing
from hyperinr.filters.readers.picture_files import common_size, read_picture
from hyperinr.filters.readers.tables import number_in, read_rows
from hyperinr.filters.readers.upside_down import upright
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.picture_set import CAMERA_FILE, Optics, PictureSet, field_name, read_optics
from hyperinr_core.pictures.world import World, angles_around, world_of
from hyperinr_core.spaces.views import AZIMUTH
from hyperinr_core.volume import Grid

#: Names of columns by the role they are recognised as, in lower case.
KNOWN_ROLES = {"phi": AZIMUTH, "azimuth": AZIMUTH, "elevation": "view_elevation", "polar": "view_polar", "time": "time"}

#: What the angles of given cameras are called, and the widest view of their pictures by angles, in degrees.
VIEW, WIDEST = ("phi", "theta"), 169.0


def open_pictures(path: str | os.PathLike, roles: dict[str, str] | None = None) -> PictureSet:
    """The pictures of a Cinema database, of a folder with a CSV table or camera files, of a table, or of transforms.json.

    Parameters
    ----------
    roles : of parameters by their names, over what their names are recognised as.

    Raises
    ------
    DataError for a database without pictures or numbers, a picture that is missing, pictures of unequal size, or cameras
    that cannot be.
    """
    listing = _listed(Path(path), roles or {})
    size, n_components = common_size(listing.table, listing.files)
    cameras, world = _placed(listing, size)
    table, parameters, thetas, files = listing.table, listing.parameters, listing.thetas, listing.files
    found = {name: _role(name, values) for name, values in zip(parameters, thetas.T)}
    roles = {**found, **listing.roles, **_known(roles, parameters)}
    if not cameras:
        _check_distinct(table, parameters, thetas)
        _check_poles(table, parameters, thetas, roles)
    turned = listing.turned if listing.turned is not None else np.zeros(len(files), bool)

    def load(step: int, _: str, __: Any) -> np.ndarray:
        picture = read_picture(files[step], n_components)
        return (picture[::-1, ::-1] if turned[step] else picture)[None]

    return PictureSet(
        Grid((*size, 1)), thetas, {field_name(n_components): n_components}, load, str(path), tuple(parameters),
        tuple(roles[name] for name in parameters), {name: "deg" for name in parameters if roles[name].startswith("view_")},
        files=tuple(files), optics=listing.optics, cameras=cameras, world=world, tests=listing.tests,
    )  # fmt: skip


def _listed(path: Path, roles: dict[str, str]) -> Listing:
    """What a path names, pictures in the order of a single parameter."""
    listing = transforms(path)
    if listing is None:
        listing = _stacked(path) or _tabled(path, roles)
    if listing.cameras is None and not listing.parameters:
        raise DataError(
            f"{listing.table} has {len(listing.files)} picture(s) and no numeric column whose values differ; expected views or "
            "other parameters to predict pictures between"
        )
    if len(listing.parameters) == 1 and listing.cameras is None:
        order = np.argsort(listing.thetas[:, 0], kind="stable")
        listing.files, listing.thetas = [listing.files[index] for index in order], listing.thetas[order]
    return listing


def _stacked(path: Path) -> Listing | None:
    """What info.json names, where it is one or a folder has one and no table."""
    table = path / "info.json" if path.is_dir() and not any(path.glob("*.csv")) else path
    if table.name != "info.json" or not table.is_file():
        return None
    names, rows, optics = image_stack(table)
    parameters, thetas = _parameters(table, names, rows, names.index("FILE"))
    roles = {} if optics is None else {"theta": "view_elevation"}
    return Listing(
        table, parameters, thetas, [table.parent / row[-1] for row in rows], _optics(table.parent) or optics,
        {name: role for name, role in roles.items() if name in parameters},
    )  # fmt: skip


def _tabled(path: Path, roles: dict[str, str]) -> Listing:
    """What a table names, or the camera files in a folder without one."""
    listing = beside_pictures(path) if path.is_dir() and not any(path.glob("*.csv")) else None
    if listing is not None:
        return listing
    table = _table(path)
    names, rows = read_rows(table)
    column, rows = _picture_column(table, names, rows)
    cameras = table_cameras(table, names, rows)
    known = [bool(column_of(name)[0]) or (cameras is not None and _is_angle(name)) for name in names]
    left = [place for place, is_known in enumerate(known) if is_known]
    parameters, thetas = _parameters(table, names, rows, column, left)
    listing = Listing(table, parameters, thetas, [table.parent / row[column] for row in rows], cameras=cameras)
    if cameras is None:
        listing.optics = _optics(table.parent)
        upright(listing, "producer" in names, roles)
    return listing


def _is_angle(name: str) -> bool:
    return name.lower() == "theta" or KNOWN_ROLES.get(name.lower(), "").startswith("view_")


def _optics(folder: Path) -> Optics | None:
    return read_optics(folder / CAMERA_FILE)


def _placed(listing: Listing, size: tuple[int, int]) -> tuple[tuple[Camera, ...], World | None]:
    """Given cameras in the units of their field, whose angles become the listing's first parameters."""
    if listing.cameras is None:
        return (), None
    given = listing.cameras(*size)
    world = world_of(given, str(listing.table))
    cameras = tuple(world.inward(camera) for camera in given)
    listing.parameters = [*VIEW, *listing.parameters]
    listing.thetas = np.concatenate([angles_around(cameras), listing.thetas], axis=1)
    listing.roles = dict(zip(VIEW, (AZIMUTH, "view_elevation")))
    angle = float(np.median([camera.view_angle for camera in cameras]))
    listing.optics = Optics(min(angle, WIDEST))
    return cameras, world


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


def _picture_column(table: Path, names: list[str], rows: list[list[str]]) -> tuple[int, list[list[str]]]:
    """The column of pictures, and the rows that have one: FILE, or the first whose name starts with it, or any of pictures."""
    held = [{Path(row[index]).suffix.lower() for row in rows if row[index]} for index in range(len(names))]
    whole = [bool(suffixes) and suffixes <= set(SUFFIXES) for suffixes in held]
    named = [index for index, name in enumerate(names) if name.upper().startswith("FILE") and whole[index]]
    chosen = named or [index for index in range(len(names)) if whole[index] and all(row[index] for row in rows)]
    if not chosen:
        raise DataError(
            f"{table} has columns {', '.join(names)} and none of them names a {', '.join(SUFFIXES)} file in every row; "
            "expected a column FILE"
        )
    return chosen[0], [row for row in rows if row[chosen[0]]]


def _parameters(
    table: Path, names: list[str], rows: list[list[str]], column: int, left: Sequence[int] = ()
) -> tuple[list[str], np.ndarray]:
    """Names and values (n, P) of the parameters: the numeric columns that vary, but for the pictures' and those left out.

    An angle of the view counts, too, where the other one varies: the views then stand on a circle.
    """
    parameters, columns = [], []
    circle = {name.lower() for name, cells in zip(names, zip(*rows)) if _is_angle(name) and len(set(cells)) > 1}
    for index, name in enumerate(names):
        if index == column or index in left or name.upper().startswith("FILE"):
            continue
        distinct = sorted({row[index] for row in rows})
        on_circle = len(circle) == 1 and _is_angle(name) and name.lower() not in circle
        if len(distinct) == 1 and not on_circle:
            continue  # a constant, or a word such as the name of the program
        if name.lower() == "producer":
            raise DataError(
                f"{table} has pictures of the producers {', '.join(distinct[:4])}; expected one, take the rows of the others out"
            )
        values = [number_in(table, name, line, row[index]) for line, row in enumerate(rows, start=2)]
        if len(set(values)) > 1 or on_circle:
            parameters.append(name)
            columns.append(values)
    if len(set(parameters)) != len(parameters):
        raise DataError(f"{table} has two columns of one name among {', '.join(parameters)}; expected different names")
    return parameters, np.array(columns, np.float64).reshape(-1, len(rows)).T


def _role(name: str, values: np.ndarray) -> str:
    """What a column is by its name; theta is an elevation when it has negative values or one below 90 alone, polar otherwise."""
    if name.lower() == "theta":
        alone = values.min() == values.max() < 90
        return "view_elevation" if values.min() < 0 or alone else "view_polar"
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
