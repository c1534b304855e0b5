"""Teachers: what knows, or claims to know, the volumes between the training steps.

All have one interface (`base.Teacher`): made for one field of a series, fitted where that takes time, evaluated at any
theta. HyperINR distils one of them; `hyperinr compare` measures all of them. A teacher's module is imported when it is used.
"""

from __future__ import annotations

import importlib

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.volume import VolumeSeries

#: name -> (module in this package, class)
TEACHERS = {
    "linear": ("linear", "Linear"),
    "catmull_rom": ("catmull_rom", "CatmullRom"),
    "spline": ("spline", "Spline"),
    "flow": ("flow", "Flow"),
    "coordnet": ("coordnet", "CoordNet"),
    "siren": ("siren", "Siren"),
    "neurcomp": ("neurcomp", "NeurComp"),
    "coordx": ("coordx", "CoordX"),
    "coordx_axes": ("coordx", "CoordXAxes"),
    "hash_inr": ("hash_inr", "HashINR"),
}

#: What only takes part in comparisons: HyperINR itself.
STUDENTS = {
    "hyperinr": ("students", "Distilled"),
    "hyperinr_direct": ("students", "Direct"),
    "hyperinr_separate": ("students", "Separate"),
}

#: Teachers that take seconds, and that `choice` therefore tries on every series.
CHEAP = ("linear", "catmull_rom", "spline", "flow")


def create(name: str, series: VolumeSeries, field: str) -> Teacher:
    """A teacher, or one of the students that a comparison treats alike, for one field; not yet fitted.

    Raises
    ------
    ParameterError for an unknown name, or a series that this teacher cannot work on.
    """
    known = {**TEACHERS, **STUDENTS}
    if name not in known:
        raise ParameterError(f"teacher is {name!r}; expected one of {', '.join(known)}")
    module, attribute = known[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)(series, field)
