"""The CF conventions (http://cfconventions.org): which axis is which, which values are data, and when a step is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.groups import base_name
from hyperinr.filters.readers.libraries import library
from hyperinr_core.errors import DataError

_STANDARD_NAMES = {
    "t": "time",
    "x": "longitude|grid_longitude|projection_x_coordinate",
    "y": "latitude|grid_latitude|projection_y_coordinate",
    "z": "height|altitude|depth|air_pressure|model_level_number|.*_sigma.*_coordinate|.*_hybrid_.*|ocean_s_coordinate.*",
}
_UNITS = {
    "t": r".*\bsince\b.*",
    "x": "degrees?_?e(ast)?",
    "y": "degrees?_?n(orth)?",
}
#: Names of axes in use, in lower case; where attributes say nothing.
_NAMES = {
    "t": r"t|nt|tau|date|frames?|.*times?|time.*|(month|day|hour|year|step|record)s?",
    "x": r"x|lon.*|.*longitude|[xr]lon|nav_lon|x[cuvqhft]|nx|ni|i|west_east.*|easting|x_.*|x\d*",
    "y": r"y|lat.*|.*latitude|[yr]lat|nav_lat|y[cuvqhft]|ny|nj|j|south_north.*|northing|y_.*|y\d*",
    "z": r"z|p?lev.*|o?level.*|alt.*|.*height|dept.*|.*pressure|isobaric.*|sigma.*|bottom_top.*|nz|nk|k|z[cwt]|z_.*|z\d*",
}
#: Axes along which fields are variants of each other: neither a place nor a time.
VARIANTS = re.compile(r".*(member|ensemble|realization|realisation).*|ens|number", re.IGNORECASE)

#: Dimensions along which the components of vectors lie.
COMPONENTS = re.compile(r"comp.*|vec.*|dims?|ndims?|d|uvw|xyz|tensor.*", re.IGNORECASE)

_WESTERN = ("standard", "gregorian", "proleptic_gregorian")


def kind_of_axis(name: str, attributes: Mapping[str, Any]) -> str:
    """What the coordinate of a name is, one of t, z, y and x: by its attributes, or else by its name; or nothing."""
    axis = str(attributes.get("axis", "")).lower()
    if axis in ("t", "z", "y", "x"):
        return axis
    for key, patterns in (("standard_name", _STANDARD_NAMES), ("units", _UNITS)):
        for kind, pattern in patterns.items():
            if re.fullmatch(pattern, str(attributes.get(key, "")).strip(), re.IGNORECASE):
                return kind
    if str(attributes.get("positive", "")).lower() in ("up", "down"):
        return "z"
    return next((kind for kind, pattern in _NAMES.items() if re.fullmatch(pattern, base_name(name).lower())), "")


def is_angle(name: str, attributes: Mapping[str, Any], kind: str) -> bool:
    """Whether a variable is a longitude (x) or latitude (y)."""
    words = {"x": "longitude", "y": "latitude"}[kind]
    says = str(attributes.get("standard_name", "")).lower() == words
    says |= re.fullmatch(_UNITS[kind], str(attributes.get("units", "")).strip(), re.IGNORECASE) is not None
    return says or re.fullmatch(rf"(x|nav_)?{words[:3]}.*", base_name(name).lower()) is not None


def is_moment(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a single number is the time of a file."""
    sure = "since" in str(attributes.get("units", "")) or attributes.get("standard_name") == "time"
    return sure or attributes.get("axis") == "T" or base_name(name).lower() in ("time", "t")


def decoded(values: np.ndarray, attributes: Mapping[str, Any], default_fill: float | None = None) -> np.ndarray:
    """Stored numbers as the numbers they stand for, unpacked; NaN where there is no data.

    No data is what equals `_FillValue` or `missing_value` or lies beyond `valid_range`, `valid_min` or `valid_max`.

    Parameters
    ----------
    default_fill : what never-written cells hold, for a variable without `_FillValue`.
    """
    if str(attributes.get("_Unsigned", "")).lower() == "true" and values.dtype.kind == "i":
        values = values.view(f"{values.dtype.byteorder}u{values.dtype.itemsize}")
    missing = _missing(values, attributes, default_fill)
    numbers = values
    factor, offset = (_number(attributes, key) for key in ("scale_factor", "add_offset"))
    if factor is not None or offset is not None:
        numbers = np.multiply(values, 1 if factor is None else factor, dtype=np.float64) + (offset or 0)
    low, high = _limits(attributes)
    # limits are packed as the values are, unless their type says that they are not
    bounded = numbers if any(isinstance(limit, float) for limit in (low, high)) else values
    for beyond in (bounded < low if low is not None else None, bounded > high if high is not None else None):
        missing = missing | beyond if beyond is not None else missing
    if not missing.any():
        return numbers
    return np.where(missing, np.nan, numbers).astype(np.promote_types(numbers.dtype, np.float32), copy=False)


def _missing(values: np.ndarray, attributes: Mapping[str, Any], default_fill: float | None) -> np.ndarray:
    fills = [*_numbers(attributes, "_FillValue"), *_numbers(attributes, "missing_value")]
    if "_FillValue" not in attributes and default_fill is not None:
        fills.append(default_fill)
    missing = np.zeros(values.shape, bool)
    for fill in fills:
        if values.dtype.kind == "f":  # a fill of 1e20 is often written in one precision and stored in the other
            with np.errstate(over="ignore", invalid="ignore"):
                missing |= np.isnan(values) if np.isnan(fill) else abs(values - fill) <= 1e-6 * abs(fill)
        elif values.dtype.kind == "u" and fill < 0:  # said in the signed type that the bytes are stored in
            missing |= values == fill + 2.0 ** (8 * values.dtype.itemsize)
        else:
            missing |= values == fill
    return missing


def _limits(attributes: Mapping[str, Any]) -> tuple[Any, Any]:
    pair = _plain(attributes, "valid_range")
    if len(pair) == 2:
        return pair[0], pair[1]
    low, high = (next(iter(_plain(attributes, key)), None) for key in ("valid_min", "valid_max"))
    return low, high


def _plain(attributes: Mapping[str, Any], key: str) -> list[Any]:
    """The numbers of an attribute as Python's ints or floats; none where it holds words."""
    array = np.atleast_1d(np.asarray(attributes.get(key, [])))
    return array.tolist() if array.dtype.kind in "iuf" else []


def _numbers(attributes: Mapping[str, Any], key: str) -> list[float]:
    return [float(number) for number in _plain(attributes, key)]


def _number(attributes: Mapping[str, Any], key: str) -> float | None:
    return next(iter(_numbers(attributes, key)), None)


class Clock:
    """One unit and calendar for the times of all files of a series: the first file's."""

    def __init__(self) -> None:
        self._units: str | None = None
        self._calendar = "standard"

    @property
    def units(self) -> str:
        """Of the times told, with the calendar where it is not the usual one."""
        return (self._units or "") + ("" if self._calendar in _WESTERN else f" ({self._calendar})")

    def times(self, path: Path, values: np.ndarray, attributes: Mapping[str, Any]) -> tuple[float, ...]:
        """Values of a file's time variable in the first file's unit; DataError where they cannot be converted."""
        units = str(attributes.get("units", "")).strip()
        calendar = str(attributes.get("calendar", "standard")).strip().lower()
        if values.dtype.kind in "OSU":
            values, units = _of_texts(path, values)
        elif units.startswith("day as %Y%m%d"):
            values, units = _of_digits(values, calendar)
        if self._units is None:
            self._units, self._calendar = units, calendar
        if units != self._units or not _same_calendar(calendar, self._calendar):
            values = self._converted(path, values, units, calendar)
        return tuple(np.asarray(values, np.float64).ravel().tolist())

    def _converted(self, path: Path, values: np.ndarray, units: str, calendar: str) -> np.ndarray:
        cftime = library("cftime", "NetCDF")
        try:
            if not _same_calendar(calendar, self._calendar):
                raise ValueError(f"calendar {calendar} beside {self._calendar}")
            dates = cftime.num2date(np.asarray(values, np.float64), units, calendar=calendar)
            return np.asarray(cftime.date2num(dates, self._units, calendar=calendar), np.float64)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path} has times in {units!r} after files in {self._units!r} ({error}); expected units that can be "
                "converted into each other, name the times yourself"
            ) from error


def _of_texts(path: Path, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Seconds since the first of some dates in words, and their unit."""
    if values.ndim == 2:  # letters
        values = np.array([b"".join(row) for row in values.tolist()])
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in values.ravel().tolist()]
    try:
        dates = np.array([text.strip().replace("_", "T").rstrip("Z") for text in texts], "datetime64[us]")
    except ValueError as error:
        raise DataError(f"{path} has the times {texts[:3]}; expected numbers, or dates such as 2000-01-31") from error
    return (dates - dates[0]) / np.timedelta64(1, "s"), f"seconds since {str(dates[0]).replace('T', ' ')}"


def _of_digits(values: np.ndarray, calendar: str) -> tuple[np.ndarray, str]:
    """Days since the first of some dates written as the numbers 20000131.5, and their unit."""
    cftime = library("cftime", "NetCDF")
    days = np.floor(values).astype(int).ravel()
    dates = [cftime.datetime(day // 10000, day // 100 % 100, day % 100, calendar=calendar) for day in days.tolist()]
    units = f"days since {dates[0].strftime('%Y-%m-%d')}"
    return cftime.date2num(dates, units, calendar=calendar) + (values.ravel() - days), units


def _same_calendar(one: str, other: str) -> bool:
    aliases = {"365_day": "noleap", "366_day": "all_leap", **dict.fromkeys(_WESTERN, "standard")}
    return aliases.get(one, one) == aliases.get(other, other)
