"""What the filters that light a volume have in common: its scalar, and ParaView's colour map, which they listen to."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkDiscretizableColorTransferFunction

from hyperinr.filters.reporting import Reporting

if TYPE_CHECKING:
    import numpy as np

    from hyperinr_core.pictures.transfer import TransferFunction
    from hyperinr_core.volume import Grid

#: What a colour map may be. Where nothing has imported these, as on the satellites of pvserver, Python knows a colour map
#: that ParaView hands over only as its base class, which has no colours.
COLOR_MAPS = (vtkColorTransferFunction, vtkDiscretizableColorTransferFunction)


#: Points along an axis that values are looked at on for their look.
LOOK_POINTS = 40


class Colored(Reporting):
    """A VTKPythonAlgorithmBase from an image with a scalar, seen by a colour map, to another image.

    Attributes
    ----------
    MADE : what `_fill` makes, in messages.
    """

    MADE = "the image"

    if TYPE_CHECKING:  # what it is mixed into has these
        Modified: Any
        GetInputArrayInformation: Any

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._colors: Any = None
        self._color_nodes: tuple[float, ...] | None = None
        self._observed: list[tuple[Any, int]] = []
        self._look: dict[str, dict] = {}

    def SetColorMap(self, colors: object) -> None:
        """ParaView's colour map; its opacity function comes with it."""
        for subject, tag in self._observed:
            subject.RemoveObserver(tag)
        self._colors = colors if isinstance(colors, COLOR_MAPS) else None
        subjects = [subject for subject in (self._colors, _opacity_of(self._colors)) if subject is not None]
        self._observed = [(subject, subject.AddObserver("ModifiedEvent", _noticer(self))) for subject in subjects]
        self._notice()

    def _notice(self) -> None:
        """Become modified when the colour map holds something new.

        It also says so when it was only prepared for drawing, which under MPI happens on some ranks and not on others: the
        ranks would then disagree on whether to execute, and wait for each other for ever.
        """
        self._store("_color_nodes", tuple(_nodes(self._colors, 6) + _nodes(_opacity_of(self._colors), 4)))

    def GetLook(self) -> str:
        """JSON of how the scalar is shown, {"fields": {name: look}}, as the HyperINR Source has it."""
        return json.dumps({"fields": self._look})

    def _store(self, name: str, value: object) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.Modified()

    def RequestData(self, request: Any, in_info: Any, out_info: Any) -> int:
        """Fill what is asked for of the output; nothing is left in it where that fails."""
        output = vtkImageData.GetData(out_info, 0)
        output.Initialize()
        image = vtkImageData.GetData(in_info[0], 0)
        extent = out_info.GetInformationObject(0).Get(vtkStreamingDemandDrivenPipeline.UPDATE_EXTENT())
        whole = in_info[0].GetInformationObject(0).Get(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT())
        if any(extent[2 * axis] > extent[2 * axis + 1] for axis in range(3)):
            return 1  # a rank that has no part of it
        if not self._guarded(self.MADE, self._fill, image, whole, extent, output):
            output.Initialize()
        return 1

    def _fill(self, image: vtkImageData, whole: tuple, extent: tuple, output: vtkImageData) -> None:
        """The extent of the output, from an input that is all or a part of the whole extent."""
        raise NotImplementedError

    def _scalars(self, image: vtkImageData) -> tuple[str, np.ndarray]:
        """Name and (nz, ny, nx) values of the chosen point array, NaN at hidden points."""
        from hyperinr.filters.image import array_of, numeric_arrays, without_hidden
        from hyperinr_core.errors import DataError

        information = self.GetInputArrayInformation(0)
        key = vtkDataObject.FIELD_NAME()
        offered = {array: n for array, n in numeric_arrays(image.GetPointData()).items() if n == 1}
        name = information.Get(key) if information.Has(key) else next(iter(offered), None)
        if name not in offered:
            raise DataError(
                f"the input has no point array {name!r} of one component; expected one of "
                f"{', '.join(offered) or 'at least one, convert cell data to point data first'}"
            )
        x0, x1, y0, y1, z0, z1 = image.GetExtent()
        points = image.GetPointData()
        return name, without_hidden(array_of(points, name, (z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)), points)

    def _function(self, values: np.ndarray) -> TransferFunction:
        """The colour map and its opacities; bone colours without one."""
        import numpy as np

        from hyperinr.filters.shading import from_vtk
        from hyperinr_core.pictures.transfer import check_finite, load

        check_finite(values)
        if self._colors is not None:
            return from_vtk(self._colors)
        numbers = values[~np.isnan(values)]
        return load("Bone", (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 1.0))


def ask_for_all(source: Any) -> None:
    """Ask an input for its whole extent, on every rank: sources take their extent from the piece."""
    pipeline = vtkStreamingDemandDrivenPipeline
    source.Set(pipeline.UPDATE_NUMBER_OF_PIECES(), 1)
    source.Set(pipeline.UPDATE_PIECE_NUMBER(), 0)
    source.Set(pipeline.UPDATE_NUMBER_OF_GHOST_LEVELS(), 0)
    source.Set(pipeline.UPDATE_EXTENT(), source.Get(pipeline.WHOLE_EXTENT()), 6)


def check_some(values: np.ndarray, is_whole: bool) -> None:
    """Raise DataError for a whole image that is masked everywhere; a rank's piece may be."""
    import numpy as np

    from hyperinr_core.errors import DataError

    if is_whole and np.isnan(values).all():
        raise DataError("the scalar has no value but NaN; expected numbers at some points, look at the input")


def look_of_some(values: np.ndarray) -> dict:
    """The look of values, of which some are looked at."""
    from hyperinr_core.pictures.look import look_of

    steps = tuple(slice(None, None, max(n // LOOK_POINTS, 1)) for n in values.shape)
    return look_of(values[steps]).to_dict()


def whole_grid(image: vtkImageData, whole: tuple) -> Grid:
    """The grid of which the image is a part."""
    from hyperinr.filters.readers.grids import grid_of
    from hyperinr_core.volume import Grid

    part, origin = grid_of(image), [0.0] * 3
    image.TransformIndexToPhysicalPoint(whole[0], whole[2], whole[4], origin)
    dims = tuple(whole[2 * a + 1] - whole[2 * a] + 1 for a in range(3))
    return Grid(dims, origin, part.spacing, part.direction)


def _opacity_of(colors: Any) -> Any:
    return colors.GetScalarOpacityFunction() if hasattr(colors, "GetScalarOpacityFunction") else None


def _nodes(function: Any, width: int) -> list[float]:
    """All numbers of the nodes of a VTK transfer function."""
    node, numbers = [0.0] * width, []
    for index in range(function.GetSize() if function is not None else 0):
        function.GetNodeValue(index, node)
        numbers += node
    return numbers


def _noticer(owner: Colored) -> Callable[..., None]:
    """A callback that lets the filter look at its colour map, and does not keep it alive."""
    reference = weakref.ref(owner)

    def notice(*_: Any) -> None:
        colored = reference()
        if colored is not None:
            colored._notice()

    return notice
