"""HyperINR Source: the reader that turns a `.hinr` file into an image at any time and parameter value.

ParaView's GUI crashes when the module of a proxy's class cannot be imported, so this module imports only VTK;
everything else is imported inside the requests, where a failure becomes an error message.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonCore import vtkDataArraySelection
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkUniformGrid
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm, vtkStreamingDemandDrivenPipeline

from hyperinr.filters.reporting import Reporting

if TYPE_CHECKING:
    from hyperinr.filters.frames import ImageFrames
    from hyperinr.filters.radiance import RadianceFrames, ShownRadiance
    from hyperinr_core.model import Model
    from hyperinr_core.radiance.model import RadianceModel
    from hyperinr_core.volume import Extent, Grid, Parameter

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

EMPTY_EXTENT = (0, -1, 0, -1, 0, -1)


class HyperINRSource(Reporting, VTKPythonAlgorithmBase):
    """A reader of `.hinr` files with one vtkImageData output.

    Setters only store and call Modified(), because ParaView takes a setter that raises for a success. The requests
    load, check and sample; whatever goes wrong there becomes one VTK error and an empty output.
    """

    LABEL = "HyperINR Source"

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
        self._stamp: tuple[object, ...] | None = None
        self._published_grid: Grid | None = None
        self._failed = False
        self._awaited = self._has_shown = False
        self._preview: Grid | None = None
        self._said: set[str] = set()
        self._frames: ImageFrames | RadianceFrames | None = None
        self._look: str | None = None
        self._selection, self._motion_selection = vtkDataArraySelection(), vtkDataArraySelection()
        for selection in (self._selection, self._motion_selection):
            selection.AddObserver("ModifiedEvent", _modifier(self))

    def CanReadFile(self, name: str) -> int:
        """Whether ParaView shall open a file with this reader: all but whole models of a plane."""
        return int(not _is_plane(name))

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

    def GetNeedsUpdate(self) -> bool:
        """What ParaView's window asks all the time: whether a coarse grid has to give way to the full one.

        Only a source in the window's own process is asked (`plugin/scenes/live.py`), never one in a server.
        """
        if self._frames is None:
            return False
        coarse, due = self._frames.refine()
        if coarse or due or not self._has_shown:
            self.Modified()  # whoever asks next is told anew how many points there are
        return due

    def ExpectWindow(self) -> None:
        """Say that a window will show the first picture, although a script asks for it: it may be coarse."""
        self._awaited = True
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

    # Requests.

    def RequestDataObject(self, request: Any, in_info: Any, out_info: Any) -> int:
        """Make the output: a vtkUniformGrid for a model with a mask, since vtkContourFilter heeds hidden points there alone."""
        info = out_info.GetInformationObject(0)
        kind = vtkUniformGrid if self._has_mask() else vtkImageData
        if type(info.Get(vtkDataObject.DATA_OBJECT())) is not kind:
            info.Set(vtkDataObject.DATA_OBJECT(), kind())
        return 1

    def _has_mask(self) -> bool:
        try:
            return bool(self._file_name) and self._load()[0].is_masked
        except Exception:  # RequestInformation meets it again, and says it
            return False

    def RequestInformation(self, request: Any, in_info: Any, out_info: Any) -> int:
        info = out_info.GetInformationObject(0)
        info.Set(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT(), EMPTY_EXTENT, 6)
        info.Remove(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
        info.Remove(vtkStreamingDemandDrivenPipeline.TIME_RANGE())
        # a reader that has no file yet is not wrong before somebody asks it for data
        self._failed = bool(self._file_name) and not self._guarded(self._file_name, self._publish, info)
        return 1

    def RequestData(self, request: Any, in_info: Any, out_info: Any) -> int:
        output = vtkImageData.GetData(out_info, 0)
        output.Initialize()
        if not self._failed and not self._guarded(
            self._file_name, self._fill, output, out_info.GetInformationObject(0)
        ):
            output.Initialize()
        return 1

    def _publish(self, info: Any) -> None:
        """Tell the pipeline the extent, place and times that the output can have."""
        from hyperinr.filters.choices import time_steps

        model, frames, grid = self._load()
        self._published_grid = grid
        self._preview = self._preview_of(model, frames, grid)
        grid = self._preview or grid
        info.Set(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT(), self._whole(grid), 6)
        info.Set(vtkAlgorithm.CAN_PRODUCE_SUB_EXTENT(), 1)
        info.Set(vtkDataObject.ORIGIN(), grid.origin, 3)
        info.Set(vtkDataObject.SPACING(), grid.spacing, 3)
        info.Set(vtkDataObject.DIRECTION(), grid.direction, 9)
        time = self._time()
        if time is not None:
            steps = time_steps(time, self._time_steps, self._n_between)
            if steps:
                info.Set(vtkStreamingDemandDrivenPipeline.TIME_STEPS(), steps, len(steps))
            info.Set(vtkStreamingDemandDrivenPipeline.TIME_RANGE(), time.bounds, 2)

    def _whole(self, grid: Grid) -> Extent:
        from hyperinr.filters.choices import output_extent

        return output_extent(grid, self._corner, self._size) if self._use_region else grid.extent

    def _preview_of(self, model: Any, frames: Any, grid: Grid) -> Grid | None:
        """The grid that is shown to begin with, of fewer points, where a window waits for its first picture and all take long.

        Nothing is behind the source yet that goes by its dims.
        """
        from hyperinr.filters.coarse import fewer_points

        watched = self._awaited or (frames.moving.watched and not _from_script())
        if self._has_shown or self._coarser == 1 or not watched:
            return None
        frames.moving.watched, self._awaited = True, False
        factor = frames.preview_factor(model, grid, self._whole(grid), self._backend)
        return fewer_points(grid, factor) if factor > 1 else None

    def _fill(self, output: vtkImageData, info: Any) -> None:
        """Sample exactly the extent that is asked for, at exactly the time that is asked for."""
        from hyperinr.filters.frames import Frame
        from hyperinr_core.errors import DataError

        model, frames, grid = self._load()
        if grid != self._published_grid:
            raise DataError(f"{self._file_name} was replaced by a model on another grid; use File > Reload Files")
        extent = info.Get(vtkStreamingDemandDrivenPipeline.UPDATE_EXTENT())
        if any(extent[2 * axis] > extent[2 * axis + 1] for axis in range(3)):
            return  # a rank that has no part of the image
        theta = self._theta(model, info)
        names = tuple(f.name for f in model.fields if self._selection.ArrayIsEnabled(f.name))
        interpolation = None if self._interpolation == AS_STORED else self._interpolation
        motion = tuple(name for name in MOTION_ARRAYS if model.anchored and self._motion_selection.ArrayIsEnabled(name))
        frame = Frame(tuple(theta), self._preview or grid, tuple(extent), names, motion, interpolation, self._backend)
        if self._preview is None:
            image = frames.image(model, frame, self._coarser, self._progress)
        else:
            whole = frame._replace(grid=grid, extent=self._whole(grid))
            image = frames.preview(model, frame, whole, self._progress)
        output.ShallowCopy(image)
        self._has_shown = True
        time = [value for p, value in zip(model.parameters, theta) if p.role == "time"]
        if time:
            output.GetInformation().Set(vtkDataObject.DATA_TIME_STEP(), time[0])

    def _progress(self, fraction: float) -> bool:
        self.UpdateProgress(fraction)
        return bool(self.GetAbortExecute())

    # The model and what is made of it.

    def _load(self) -> tuple[Any, Any, Grid]:
        """The file's model, its images and the grid to put out, read if it is not the one that was read last."""
        from hyperinr.filters.choices import output_grid
        from hyperinr_core.errors import FormatError

        if not self._file_name:
            raise FormatError("no file is chosen; expected the path of a .hinr file")
        stamp, model, frames = _stamp(self._file_name, self._show), self._model, self._frames
        if model is None or frames is None or stamp is None or stamp != self._stamp:
            self._model = self._stamp = None
            if frames is not None:
                frames.stop()
            self._frames = self._look = None
            model, frames = _read(self._file_name, self._show == VOLUME, self._cache_megabytes << 20)
            self._model, self._frames, self._stamp = model, frames, stamp
            self._said.clear()
            _offer(self._selection, [field.name for field in model.fields], True)
            _offer(self._motion_selection, MOTION_ARRAYS if model.anchored else (), False)
            self._warn_of_series()
        return model, frames, output_grid(model.grid, self._dims)

    def _warn_of_series(self) -> None:
        """Say that ParaView's file dialog took several models for one series."""
        if len(self._file_names) > 1:
            others = ", ".join(os.path.basename(name) for name in self._file_names[1:])
            self._report(
                "WarningEvent",
                f"{self._file_name} is shown, and not {others}: ParaView groups files whose names end in numbers; open the "
                "arrow before the group in the Open File dialog and choose the models one by one",
            )

    def _theta(self, model: Any, info: Any) -> list[float]:
        """(P,) the requested time and the sliders' values; that one had to be moved is said once for each model."""
        from hyperinr.filters.choices import clamped_theta

        key = vtkStreamingDemandDrivenPipeline.UPDATE_TIME_STEP()
        theta, moved = clamped_theta(model.parameters, info.Get(key) if info.Has(key) else None, self._sliders)
        for name in moved.keys() - self._said:
            self._said.add(name)
            self._report("WarningEvent", moved[name])
        return theta


class HyperINRPlaneSource(HyperINRSource):
    """The reader of models of a plane, which ParaView shows as a surface and not as a volume."""

    def CanReadFile(self, name: str) -> int:
        return int(_is_plane(name))


def _offer(selection: vtkDataArraySelection, names: Sequence[str], chosen: bool) -> None:
    """Offer these names, keeping the choice for those that were offered, or chosen, before."""
    for index in reversed(range(selection.GetNumberOfArrays())):
        if selection.GetArrayName(index) not in names:
            selection.RemoveArrayByIndex(index)
    for name in names:
        selection.AddArray(name, chosen)


def _read(path: str, volume: bool, n_bytes: int) -> tuple[Any, Any]:
    """A file's model, and what makes its images."""
    from hyperinr_core import hinr
    from hyperinr_core.radiance.file import is_radiance

    if is_radiance(path):
        from hyperinr.filters.radiance import RadianceFrames, ShownRadiance
        from hyperinr_core.radiance.file import load

        return ShownRadiance(load(path), volume), RadianceFrames(n_bytes)
    from hyperinr.filters.frames import ImageFrames

    return hinr.load(path), ImageFrames(n_bytes)


def _is_plane(name: str) -> bool:
    """Whether a file is a model of a plane or of pictures; what cannot be read is not, and gets its error when it is opened."""
    try:
        from hyperinr_core import hinr
        from hyperinr_core.radiance.file import is_radiance

        return is_radiance(name) or hinr.read_header(name)["grid"]["dims"][2] == 1
    except Exception:
        return False


def _add_slider(index: int) -> None:
    """Give the class SetParameter1, GetParameter1Name, GetParameter1Range and so on, which XML names one by one."""

    def set_parameter(self: HyperINRSource, value: float) -> None:
        if self._sliders[index] != value:
            self._sliders[index] = float(value)
            self.Modified()

    def get_range(self: HyperINRSource) -> tuple[float, float]:
        parameters = self._slider_parameters()
        return parameters[index].bounds if index < len(parameters) else (0.0, 1.0)

    def get_name(self: HyperINRSource) -> str:
        parameters = self._slider_parameters()
        if index >= len(parameters):
            return ""
        from hyperinr.filters.about import parameter_line

        return parameter_line(parameters[index])

    setattr(HyperINRSource, f"SetParameter{index + 1}", set_parameter)
    setattr(HyperINRSource, f"GetParameter{index + 1}Name", get_name)
    setattr(HyperINRSource, f"GetParameter{index + 1}Range", get_range)


for _index in range(N_SLIDERS):
    _add_slider(_index)


def _modifier(source: HyperINRSource) -> Callable[..., None]:
    """A callback that marks the source modified and does not keep it alive."""
    reference = weakref.ref(source)

    def modified(*_: Any) -> None:
        owner = reference()
        if owner is not None:
            owner.Modified()

    return modified


def _from_script() -> bool:
    """Whether Python was running when the pipeline came to ask: somebody's script, and not the window's own code."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    return frame.f_globals.get("__name__") != VTKPythonAlgorithmBase.__module__


def _stamp(path: str, show: str) -> tuple[object, ...] | None:
    """What tells a file from its replacement, and one way to show it from another; None when there is no such file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return path, status.st_mtime_ns, status.st_size, show
