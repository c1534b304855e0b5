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
}

#: Teachers that take seconds, and that `choice` therefore tries on every series.
CHEAP = ("linear", "catmull_rom", "spline", "flow")


def create(name: str, series: VolumeSeries, field: str) -> Teacher:
    """A teacher for one field, not yet fitted.

    Raises
    ------
    ParameterError for an unknown name, or a series that this teacher cannot work on.
    """
    if name not in TEACHERS:
        raise ParameterError(f"teacher is {name!r}; expected one of {', '.join(TEACHERS)}")
    module, attribute = TEACHERS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)(series, field)
