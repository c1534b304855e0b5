"""Teachers: what knows, or claims to know, what lies between the training steps.

All have one interface (`base.Teacher`): made for one field of a series, fitted where that takes time, evaluated at any
theta. HyperINR distils one of them; `hyperinr compare` measures those of volumes. A teacher's module is imported when it is
used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.volume import VolumeSeries


@dataclass(frozen=True)
class Spec:
    """Where a teacher is, and what it teaches.

    Attributes
    ----------
    module, attribute : its class; the module is one of this package where it has no dot.
    tasks : names of the tasks that may learn from it.
    """

    module: str
    attribute: str
    tasks: tuple[str, ...] = ("volumes",)


TEACHERS = {
    "linear": Spec("linear", "Linear"),
    "catmull_rom": Spec("catmull_rom", "CatmullRom"),
    "spline": Spec("spline", "SplineTeacher"),
    "flow": Spec("flow", "Flow"),
    "coordnet": Spec("coordnet", "CoordNet", ("volumes", "shadow", "views")),
    "siren": Spec("siren", "Siren"),
    "neurcomp": Spec("neurcomp", "NeurComp"),
    "coordx": Spec("coordx", "CoordX"),
    "coordx_axes": Spec("coordx", "CoordXAxes"),
    "hash_inr": Spec("hash_inr", "HashINR"),
    "radiance": Spec("radiance", "Radiance", ("views",)),
}

#: What only takes part in comparisons: HyperINR itself.
STUDENTS = {
    "hyperinr": Spec("hyperinr_core.training.students", "Distilled", ()),
    "hyperinr_direct": Spec("hyperinr_core.training.students", "Direct", ()),
    "hyperinr_separate": Spec("hyperinr_core.training.students", "Separate", ()),
}

#: Teachers that take seconds, and that `choice` therefore tries on every series.
CHEAP = ("linear", "catmull_rom", "spline", "flow")


def teachers_of(task: str) -> tuple[str, ...]:
    """Names of the teachers that a task may learn from."""
    return tuple(name for name, spec in TEACHERS.items() if task in spec.tasks)


def create(name: str, series: VolumeSeries, field: str) -> Teacher:
    """A teacher, or one of the students that a comparison treats alike, for one field; not yet fitted.

    Raises
    ------
    ParameterError for an unknown name, or a series that this teacher cannot work on.
    """
    known = {**TEACHERS, **STUDENTS}
    if name not in known:
        raise ParameterError(f"teacher is {name!r}; expected one of {', '.join(known)}")
    spec = known[name]
    module = spec.module if "." in spec.module else f"{__name__}.{spec.module}"
    return getattr(importlib.import_module(module), spec.attribute)(series, field)
