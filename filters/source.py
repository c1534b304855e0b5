"""HyperINR Source: the reader that turns a `.hinr` file into an image at any time and parameter value.

ParaView's GUI crashes when the module of a proxy's class cannot be imported, so this module imports only VTK;
everything else is imported inside the requests, where a failure becomes an error message.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonCore import vtkDataArraySelection
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkUniformGrid
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm, vtkStreamingDemandDrivenPipeline

from hyperinr.filters.panel import AS_STORED, MOTION_ARRAYS, VOLUME, Panel

if TYPE_CHECKING:
    from hyperinr_core.volume import Extent, Grid

EMPTY_EXTENT = (0, -1, 0, -1, 0, -1)


class HyperINRSource(Panel):
    """A reader of `.hinr` files with one vtkImageData output.

    The requests load, check and sample; whatever goes wrong there becomes one VTK error and an empty output.
    """

    LABEL = "HyperINR Source"

    def __init__(self) -> None:
        super().__init__()
        self._stamp: tuple[object, ...] | None = None
        self._published_grid: Grid | None = None
        self._failed = False
        self._awaited = self._has_shown = False
        self._preview: Grid | None = None
        self._said: set[str] = set()

    def CanReadFile(self, name: str) -> int:
        """Whether ParaView shall open a file with this reader: all but whole models of a plane."""
        return int(not _is_plane(name))

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
    from hyperinr_core.loading import load_any
    from hyperinr_core.radiance.model import RadianceModel

    model = load_any(path)
    if isinstance(model, RadianceModel):
        from hyperinr.filters.radiance import RadianceFrames, ShownRadiance

        return ShownRadiance(model, volume), RadianceFrames(n_bytes)
    from hyperinr.filters.frames import ImageFrames

    return model, ImageFrames(n_bytes)


def _is_plane(name: str) -> bool:
    """Whether a file is a model of a plane or of pictures; what cannot be read is not, and gets its error when it is opened."""
    try:
        from hyperinr_core import hinr
        from hyperinr_core.radiance.file import is_radiance

        return is_radiance(name) or hinr.read_header(name)["grid"]["dims"][2] == 1
    except Exception:
        return False


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
