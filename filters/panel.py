"""What a user chooses of the HyperINR Source in ParaView's panel, and what the panel is told of the model.

Like `filters.source`, whose class has these, this module imports only VTK.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonCore import vtkDataArraySelection

from hyperinr.filters.reporting import Reporting

if TYPE_CHECKING:
    from hyperinr.filters.frames import ImageFrames
    from hyperinr.filters.radiance import RadianceFrames, ShownRadiance
    from hyperinr_core.model import Model
    from hyperinr_core.radiance.model import RadianceModel
    from hyperinr_core.volume import Parameter

#: Sliders in the panel for parameters other than time; `xml/HyperINR.xml` declares as many.
N_SLIDERS = 6

#: The choice that leaves the interpolation to the file.
AS_STORED = "as stored"

#: What `filters.choices` has between training steps, told again because that module needs NumPy.
BETWEEN = "between training steps"

#: What is put out of a model of radiance fields: its picture at the sliders' angles, or the field itself.
PICTURE, VOLUME = "picture", "volume"

#: What `filters.frames` can add to each field of a model with motion; none of it unless asked for.
MOTION_ARRAYS = ("velocity", "trust", "uncertainty")


class Panel(Reporting, VTKPythonAlgorithmBase):
    """The choices of a reader, and its answers.

    Setters only store and call Modified(), because ParaView takes a setter that raises for a success.
    """

    def __init__(self) -> None:
        super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkImageData")
        self._file_names: tuple[str, ...] = ()
        self._time_steps, self._n_between = BETWEEN, 0
        self._dims = (0, 0, 0)
        self._use_region = False
        self._corner, self._size = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        self._interpolation = AS_STORED
        self._show = PICTURE
        self._backend = "auto"
        self._coarser = 2
        self._cache_megabytes = 256
        self._sliders = [0.0] * N_SLIDERS
        self._model: Model | ShownRadiance | None = None
        self._frames: ImageFrames | RadianceFrames | None = None
        self._look: str | None = None
        self._selection, self._motion_selection = vtkDataArraySelection(), vtkDataArraySelection()
        for selection in (self._selection, self._motion_selection):
            selection.AddObserver("ModifiedEvent", _modifier(self))

    # Properties, in the order of the panel.

    def SetFileName(self, name: str | None) -> None:
        """Path of the `.hinr` file."""
        self._store("_file_names", (name,) if name else ())

    def AddFileName(self, name: str | None) -> None:
        """One more of the files that ParaView takes for a series; the first is shown."""
        self._store("_file_names", (*self._file_names, name) if name else self._file_names)

    def ClearFileNames(self) -> None:
        """None of them."""
        self._store("_file_names", ())

    @property
    def _file_name(self) -> str | None:
        return self._file_names[0] if self._file_names else None

    def SetShow(self, choice: str | None) -> None:
        """What a model of radiance fields puts out: PICTURE or VOLUME."""
        self._store("_show", choice or PICTURE)

    def GetFieldSelection(self) -> vtkDataArraySelection:
        """Which fields become point arrays; all unless told otherwise."""
        return self._selection

    def GetMotionSelection(self) -> vtkDataArraySelection:
        """What of MOTION_ARRAYS become point arrays, too, for each field."""
        return self._motion_selection

    def SetDims(self, nx: int, ny: int, nz: int) -> None:
        """Points along each axis; 0 takes the training grid's."""
        self._store("_dims", (int(nx), int(ny), int(nz)))

    def SetUseRegion(self, enabled: int) -> None:
        """Whether to sample only the region of interest."""
        self._store("_use_region", bool(enabled))

    def SetRegionPosition(self, x: float, y: float, z: float) -> None:
        """Smallest x, y and z of the region of interest, in the data's length unit."""
        self._store("_corner", (float(x), float(y), float(z)))

    def SetRegionSize(self, x: float, y: float, z: float) -> None:
        """Lengths of the region of interest along x, y and z."""
        self._store("_size", (float(x), float(y), float(z)))

    def SetTimeSteps(self, choice: str | None) -> None:
        """What ParaView is told of time: one of `filters.choices` BETWEEN, TRAINED and CONTINUOUS."""
        self._store("_time_steps", choice or BETWEEN)

    def SetStepsBetween(self, n: int) -> None:
        """Time steps between each two training steps; 0 takes about 200 in all."""
        self._store("_n_between", max(0, int(n)))

    def SetInterpolation(self, name: str | None) -> None:
        """How to get between training steps: as stored, or by encoders blended linear or catmull_rom."""
        self._store("_interpolation", name or AS_STORED)

    def SetBackend(self, name: str | None) -> None:
        """What evaluates the model: one of the names in hyperinr_core.backends."""
        self._store("_backend", name or "auto")

    def SetCoarserWhileMoving(self, factor: int) -> None:
        """While time plays or a slider is dragged in a window, sample every factor-th point along each axis; 1 all."""
        self._store("_coarser", max(1, int(factor)))

    def SetCacheMegabytes(self, megabytes: int) -> None:
        """Most memory for steps that were shown, so that coming back to one is free; 0 keeps none."""
        self._cache_megabytes = max(0, int(megabytes))  # nothing to be seen changes, so nothing is modified
        if self._frames is not None:
            self._frames.images.set_limit(self._cache_megabytes << 20)

    def _store(self, name: str, value: object) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.Modified()

    # What ParaView asks for its panel; neutral answers while there is no model.

    def GetNumberOfParameters(self) -> int:
        """How many sliders the model uses."""
        return len(self._slider_parameters())

    def GetHasTime(self) -> int:
        """Whether the model knows time."""
        return int(self._time() is not None)

    def GetHasMotion(self) -> int:
        """Whether the model carries its training steps along a motion."""
        return int(self._model is not None and bool(self._model.anchored))

    def GetHasRadiance(self) -> int:
        """Whether the model is one of radiance fields."""
        return int(self.radiance() is not None)

    def radiance(self) -> RadianceModel | None:
        """The model, where it is one of radiance fields."""
        return getattr(self._model, "radiance", None)

    def theta_at(self, time: float) -> list[float]:
        """(P,) what is shown at a time; nothing without a model."""
        from hyperinr.filters.choices import clamped_theta

        return clamped_theta(self._model.parameters, time, self._sliders)[0] if self._model else []

    def GetTimeStepsInUse(self) -> str:
        """How many time steps ParaView is told of."""
        time = self._time()
        if time is None:
            return ""
        from hyperinr.filters.choices import steps_in_words, time_steps

        return steps_in_words(time, time_steps(time, self._time_steps, self._n_between))

    def _time(self) -> Parameter | None:
        return next((p for p in self._model.parameters if p.role == "time"), None) if self._model else None

    def GetDataBounds(self) -> tuple[float, ...]:
        """(6,) x0, x1, y0, y1, z0, z1 of the training grid in space."""
        if self._model is None:
            return (0.0,) * 6
        from hyperinr.filters.choices import space_bounds

        return tuple(space_bounds(self._model.grid).ravel().tolist())

    def GetDataLengths(self) -> tuple[float, ...]:
        """(6,) 0 and the length of the training grid along x, then y, then z: the sizes a region can have."""
        bounds = self.GetDataBounds()
        return sum(((0.0, high - low) for low, high in zip(bounds[0::2], bounds[1::2])), ())

    def GetTrainingGrid(self) -> str:
        """The points of the grid that was trained on."""
        return self._told("grid_of")

    def GetLook(self) -> str:
        """How the model is best shown, as JSON: what `plugin/scene.py` sets up a view with."""
        if self._look is None:
            self._look = self._told("look_of") or None
        return self._look or ""

    def GetModelParameters(self) -> str:
        """The parameters, their ranges, and how many values were trained on."""
        return self._told("parameters_of")

    def GetModelFields(self) -> str:
        """The fields and their units."""
        return self._told("fields_of")

    def GetModelQuality(self) -> str:
        """How well the training steps are met."""
        return self._told("quality_of")

    def GetModelSize(self) -> str:
        """Encoders and memory."""
        return self._told("size_of")

    def _told(self, what: str) -> str:
        from hyperinr.filters import about

        return getattr(about, what)(self._model) if self._model else ""

    def _slider_parameters(self) -> list[Parameter]:
        return [p for p in self._model.parameters if p.role != "time"][:N_SLIDERS] if self._model else []


def _add_slider(index: int) -> None:
    """Give the class SetParameter1, GetParameter1Name, GetParameter1Range and so on, which XML names one by one."""

    def set_parameter(self: Panel, value: float) -> None:
        if self._sliders[index] != value:
            self._sliders[index] = float(value)
            self.Modified()

    def get_range(self: Panel) -> tuple[float, float]:
        parameters = self._slider_parameters()
        return parameters[index].bounds if index < len(parameters) else (0.0, 1.0)

    def get_name(self: Panel) -> str:
        parameters = self._slider_parameters()
        if index >= len(parameters):
            return ""
        from hyperinr.filters.about import parameter_line

        return parameter_line(parameters[index])

    setattr(Panel, f"SetParameter{index + 1}", set_parameter)
    setattr(Panel, f"GetParameter{index + 1}Name", get_name)
    setattr(Panel, f"GetParameter{index + 1}Range", get_range)


for _index in range(N_SLIDERS):
    _add_slider(_index)


def _modifier(source: Panel) -> Callable[..., None]:
    """A callback that marks the source modified and does not keep it alive."""
    reference = weakref.ref(source)

    def modified(*_: Any) -> None:
        owner = reference()
        if owner is not None:
            owner.Modified()

    return modified
