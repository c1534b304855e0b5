"""NetCDF files with groups as one data set: what is in a group is called `group/name`, and sees what is in the groups around it.

The CF conventions (section 2.7) say where a name in a group is looked for: in the group, in those around it, then elsewhere.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hyperinr.filters.readers.libraries import library

#: Attributes that name other variables, and those that do so after words with a colon.
_LISTS = ("coordinates", "bounds", "climatology", "ancillary_variables")
_TERMS = ("formula_terms", "cell_measures")


@contextlib.contextmanager
def flattened(path: Path, root: Any) -> Iterator[Any]:
    """The xarray data set of a file with all its groups; `root` itself where there are none.

    Parameters
    ----------
    root : the data set of the file's outermost group, as it is stored.
    """
    xarray = library("xarray", "NetCDF")
    dimensions = _dimensions(path)
    if len(dimensions) == 1:
        yield root
        return
    with contextlib.ExitStack() as stack:
        variables, unlimited = {}, set(root.encoding.get("unlimited_dims", ()))
        for group in dimensions:
            data = root
            if group:
                options = {"engine": "netcdf4", "group": group, "decode_cf": False, "cache": False}
                data = stack.enter_context(xarray.open_dataset(path, **options))
            for name, variable in data.variables.items():
                dims = [_full(group, dim, dimensions) for dim in variable.dims]
                variables[_join(group, str(name))] = _renamed(xarray, variable, dims)
            unlimited |= {_join(group, dim) for dim in dimensions[group] if dimensions[group][dim]}
        for name, variable in variables.items():
            variable.attrs = _with_full_names(name.rpartition("/")[0], variable.attrs, variables)
        flat = xarray.Dataset(variables)
        flat.encoding["unlimited_dims"] = unlimited
        yield flat


def base_name(name: object) -> str:
    """The name without that of the groups that it is in."""
    return str(name).rpartition("/")[2]


def in_scope(name: str, other: str) -> bool:
    """Whether a variable is in the group of another, or in one around it."""
    group = other.rpartition("/")[0]
    return f"{name.rpartition('/')[0]}/" in (f"{group}/", *(f"{each}/" for each in _around(group)))


def _dimensions(path: Path) -> dict[str, dict[str, bool]]:
    """By group, outer ones first: its own dimensions, and whether they are unlimited. The outermost is called ""."""
    found: dict[str, dict[str, bool]] = {}
    with library("netCDF4", "NetCDF").Dataset(path) as file:
        waiting = [file]
        while waiting:
            group = waiting.pop(0)
            found[group.path.strip("/")] = {name: dim.isunlimited() for name, dim in group.dimensions.items()}
            waiting += group.groups.values()
    return found


def _around(group: str) -> list[str]:
    """The groups around one, the nearest first."""
    parts = group.split("/") if group else []
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, -1, -1)]


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name


def _full(group: str, name: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """A dimension that a variable in a group names: the nearest of that name."""
    return next((_join(each, name) for each in (group, *_around(group)) if name in known[each]), _join(group, name))


def _renamed(xarray: Any, variable: Any, dims: list[str]) -> Any:
    """A variable on dimensions of other names, not read."""
    return xarray.Variable(dims, variable._data, dict(variable.attrs), dict(variable.encoding), fastpath=True)


def _with_full_names(group: str, attributes: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that name other variables as they are called in the flat data set."""
    result = dict(attributes)
    for key in (*_LISTS, *_TERMS):
        if isinstance(result.get(key), str):
            words = re.findall(r"[^\s:]+\s*:|[^\s:]+", result[key])
            result[key] = " ".join(word if word.endswith(":") else _found(group, word, variables) for word in words)
    return result


def _found(group: str, name: str, variables: Mapping[str, Any]) -> str:
    """The variable that a name in a group stands for: an absolute path, or by proximity, or the only one of its name."""
    if name.startswith("/"):
        return name[1:]
    near = [_join(each, name) for each in (group, *_around(group))]
    elsewhere = [other for other in variables if base_name(other) == name]
    return next((each for each in (*near, *elsewhere) if each in variables), name)
