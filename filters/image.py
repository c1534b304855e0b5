"""Arrays to vtkImageData and back, and writing .vti and .pvd files.

VTK is imported inside the functions: reading .npy or .raw must work, and be quick, without it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from hyperinr.filters.readers.grids import grid_of, shape_of
from hyperinr_core.errors import BackendError, DataError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.inr import INR
from hyperinr_core.volume import Extent, Grid

#: Readers say some failures only as a warning, among warnings that harm nothing.
_FAILURE = re.compile(r"error|fail|truncat|mismatch|premature|cannot|could not", re.IGNORECASE)
_MESSAGE = re.compile(r"^(ERROR|Generic Warning|Warning): In .*, line \d+\n(.+)", re.MULTILINE)


#: VTK's marks of ghost and blanked points, and of points that a resampling filter found data for: no data themselves.
GHOSTS, VALID = "vtkGhostType", "vtkValidPointMask"


#: Masks of which so large a share of the points with values is common differ little.
ALIKE = 0.9


def to_image(grid: Grid, arrays: Mapping[str, np.ndarray], region: Sequence[int] | None = None) -> Any:
    """A vtkImageData with one point array per field.

    Contiguous arrays are shared, not copied: the image keeps them alive and sees later changes. Whoever makes one calls the
    VTK array's Modified(), since VTK is told the ranges.

    Parameters
    ----------
    grid : the whole grid.
    arrays : field name to (nz, ny, nx) or (nz, ny, nx, C), the points of `region`.
    region : inclusive box of point indices, the whole grid when None; it becomes the extent of the image.

    Raises
    ------
    ParameterError when an array has another shape than the region.
    """
    from vtkmodules.vtkCommonDataModel import vtkImageData

    x0, x1, y0, y1, z0, z1 = grid.extent if region is None else _extent(region)
    image = vtkImageData()
    image.SetExtent(x0, x1, y0, y1, z0, z1)
    image.SetOrigin(*grid.origin)
    image.SetSpacing(*grid.spacing)
    image.SetDirectionMatrix(*grid.direction)
    for name, array in arrays.items():
        add_array(image, name, np.asarray(array))
    if arrays:
        image.GetPointData().SetActiveScalars(next(iter(arrays)))
    return image


def add_array(image: Any, name: str, array: np.ndarray) -> None:
    """One more point array of a vtkImageData, (nz, ny, nx) or (nz, ny, nx, C), as in `to_image`."""
    image.GetPointData().AddArray(_vtk_array(name, array, image.GetDimensions()[::-1]))


def masked_image(
    grid: Grid,
    arrays: Mapping[str, np.ndarray],
    region: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """What `to_image` makes, where points are hidden at which all arrays, or all those named, are NaN."""
    image = to_image(grid, arrays, region)
    hidden = np.logical_and.reduce(_masked(arrays[name] for name in names or arrays))
    if hidden.any():
        hide(image, ~hidden)
    return image


def image_of(
    inr: INR,
    values: np.ndarray,
    names: Sequence[str],
    grid: Grid,
    region: Sequence[int] | None = None,
    has_numbers: bool = False,
) -> Any:
    """An image of named fields' values (nz, ny, nx, C), as an INR has them on a region of a grid.

    A point is hidden at which no field has a value. Where masks differ little, as on staggered grids, it is hidden when one
    field lacks one: VTK's mappers show the NaN of points that are not hidden as something.

    Parameters
    ----------
    has_numbers : whether the values are those of `inr.unmasked()`. Hidden points then keep their numbers, since VTK's volume
        mapper blends them in at a border, brought into the range of the shown points; others become NaN, in place.
    """
    arrays = inr.split(values, names)
    if not inr.is_masked or not arrays:
        return to_image(grid, arrays, region)
    everywhere = inr.valid()  # not of the region: the pieces of an image go by one rule
    common = np.count_nonzero(np.logical_and.reduce([everywhere[name] for name in names]))
    alike = common >= ALIKE * max(np.count_nonzero(everywhere[name]) for name in names)
    here = inr.valid(grid, None if region is None else _extent(region))
    shown = (np.logical_and if alike else np.logical_or).reduce([here[name] for name in names])
    if has_numbers and shown.any():
        for name, array in arrays.items():
            array[shown & ~here[name]] = np.nan
            seen = array[shown]
            array[~shown] = np.clip(array[~shown], np.fmin.reduce(seen), np.fmax.reduce(seen))
    image = to_image(grid, arrays, region)
    if not shown.all():
        hide(image, shown)
    return image


def _extent(region: Sequence[int]) -> Extent:
    x0, x1, y0, y1, z0, z1 = (int(i) for i in region)
    return x0, x1, y0, y1, z0, z1


def _masked(arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Where each of arrays (nz, ny, nx) or (nz, ny, nx, C) is NaN, (nz, ny, nx)."""
    return [np.isnan(array).all(axis=-1) if array.ndim == 4 else np.isnan(array) for array in arrays]


def hide(image: Any, valid: np.ndarray) -> None:
    """Mark points of an image as hidden, and the cells that have one as a corner, so that VTK's filters leave them out.

    Parameters
    ----------
    valid : (nz, ny, nx) bool, which points are not hidden.
    """
    from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes

    whole = valid
    for axis, n in enumerate(valid.shape):
        if n > 1:
            whole = whole.take(range(n - 1), axis) & whole.take(range(1, n), axis)
    for attributes, shown, mark in (
        (image.GetPointData(), valid, vtkDataSetAttributes.HIDDENPOINT),
        (image.GetCellData(), whole, vtkDataSetAttributes.HIDDENCELL),
    ):
        nz, ny, nx = shown.shape
        attributes.AddArray(_vtk_array(GHOSTS, np.where(shown, np.uint8(0), np.uint8(mark)), (nz, ny, nx)))


def without_hidden(values: np.ndarray, attributes: Any, on_cells: bool = False) -> np.ndarray:
    """Values (nz, ny, nx, ...) with NaN where points or cells are blanked, or where a resampling filter found nothing.

    Whole numbers become float32 wherever there are marks, so that the pieces of an image are of one type.
    """
    from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes

    if not _is_marked(attributes):
        return values
    nz, ny, nx = values.shape[:3]
    shape, mark = (nz, ny, nx), vtkDataSetAttributes.HIDDENCELL if on_cells else vtkDataSetAttributes.HIDDENPOINT
    values = values.astype(np.promote_types(values.dtype, np.float32))
    if attributes.GetArray(GHOSTS) is not None:
        values[(array_of(attributes, GHOSTS, shape) & mark) != 0] = np.nan
    if attributes.GetArray(VALID) is not None:
        values[array_of(attributes, VALID, shape) == 0] = np.nan
    return values


def with_nan(image: Any) -> Any:
    """The image without VTK's ghost marks, with NaN where points or cells are hidden; itself where nothing is marked."""
    if not any(_is_marked(attributes) for attributes in (image.GetPointData(), image.GetCellData())):
        return image
    result = image.NewInstance()
    result.CopyStructure(image)
    for on_cells in (False, True):
        source, target = ((each.GetCellData() if on_cells else each.GetPointData()) for each in (image, result))
        target.RemoveArray(GHOSTS)  # which newer VTKs count as structure
        shape = shape_of(image.GetExtent(), on_cells)
        for name in numeric_arrays(source):
            array = _vtk_array(name, without_hidden(array_of(source, name, shape), source, on_cells), shape)
            array.CopyInformation(source.GetArray(name).GetInformation(), 1)
            target.AddArray(array)
    return result


def _is_marked(attributes: Any) -> bool:
    return any(attributes.GetArray(name) is not None for name in (GHOSTS, VALID))


def _vtk_array(name: str, array: np.ndarray, shape: tuple[int, int, int]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    if array.shape[:3] != shape or array.ndim > 4:
        raise ParameterError(f"array {name!r} has shape {array.shape}; expected {shape} or ({shape}, components)")
    if array.dtype == bool:
        array = array.view(np.uint8)
    flat = np.ascontiguousarray(array).reshape(shape[0] * shape[1] * shape[2], -1)
    result = numpy_to_vtk(flat, deep=0)
    result.SetName(name)
    _tell_ranges(result, flat)
    return result


def _tell_ranges(array: Any, values: np.ndarray) -> None:
    """Give VTK the ranges of values (n, C): looking for them takes it, at every change, longer than sampling a small model.

    NaN does not count. Values of which some are infinite have two ranges, which VTK finds itself.
    """
    from vtkmodules.vtkCommonCore import vtkDataArray, vtkInformationVector

    if not len(values):
        return
    components = np.ascontiguousarray(values.T)
    ranges = [(float(np.fmin.reduce(component)), float(np.fmax.reduce(component))) for component in components]
    if not np.isfinite(ranges).all():
        return
    information = array.GetInformation()
    for key in (vtkDataArray.PER_COMPONENT(), vtkDataArray.PER_FINITE_COMPONENT()):
        vector = vtkInformationVector()
        vector.SetNumberOfInformationObjects(len(ranges))
        for index, limits in enumerate(ranges):
            vector.GetInformationObject(index).Set(vtkDataArray.COMPONENT_RANGE(), limits, 2)
        information.Set(key, vector)
    if len(ranges) > 1:
        exact = np.int32 if values.dtype == np.uint8 else np.float64
        squares = sum(np.square(component, dtype=exact) for component in components)
        limits = float(np.sqrt(np.fmin.reduce(squares))), float(np.sqrt(np.fmax.reduce(squares)))
        information.Set(vtkDataArray.L2_NORM_RANGE(), limits, 2)
        information.Set(vtkDataArray.L2_NORM_FINITE_RANGE(), limits, 2)


def from_image(image: Any) -> tuple[Grid, dict[str, np.ndarray]]:
    """The grid and the point arrays of a vtkImageData, NaN at hidden points; arrays without these share the image's memory.

    Returns
    -------
    (grid, arrays) : the grid of the image's own extent; arrays by name, (nz, ny, nx) or (nz, ny, nx, C).
    """
    grid = grid_of(image)
    names = numeric_arrays(image.GetPointData())
    points = image.GetPointData()
    return grid, {name: without_hidden(array_of(points, name, grid.shape), points) for name in names}


def numeric_arrays(attributes: Any) -> dict[str, int]:
    """Components by name of the named numeric arrays of a vtkPointData or vtkCellData, without VTK's marks of points."""
    arrays = {}
    for index in range(attributes.GetNumberOfArrays()):
        array = attributes.GetArray(index)  # None for strings
        if array is None or array.IsA("vtkBitArray") or array.GetName() in (None, "", GHOSTS, VALID):
            continue
        arrays[array.GetName()] = array.GetNumberOfComponents()
    return arrays


def array_of(attributes: Any, name: str, shape: tuple[int, int, int]) -> np.ndarray:
    """One array as (nz, ny, nx) or (nz, ny, nx, C), sharing VTK's memory."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    values = vtk_to_numpy(attributes.GetArray(name))
    return values.reshape(shape if values.ndim == 1 else (*shape, values.shape[1]))


def write_image(path: str | os.PathLike, image: Any) -> None:
    """Write a vtkImageData as .vti with zlib-compressed data, all of it or nothing.

    Raises
    ------
    DataError when the folder is missing or read-only, or the disk is full.
    """
    from vtkmodules.vtkCommonMisc import vtkErrorCode
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    path = Path(path)
    if path.suffix.lower() != ".vti":
        raise DataError(f"{path} ends in {path.suffix!r}; expected .vti, the format that is written")
    with replacing(path) as part:
        writer = vtkXMLImageDataWriter()
        writer.SetInputData(image)
        writer.SetFileName(str(part))
        writer.SetDataModeToBinary()  # inline: appended data is refused by the parser of some systems' VTK
        with captured_messages() as messages:
            written = writer.Write()
        code = writer.GetErrorCode()
        if not written or code or messages:
            reason = vtkErrorCode.GetStringFromErrorCode(code) if code else "; ".join(messages) or "unknown reason"
            raise DataError(f"{path} cannot be written ({reason}); expected room on the disk, nothing was changed")


def hdf_writer() -> Callable[[str | os.PathLike, Any], None]:
    """What writes a vtkImageData as .vtkhdf, all of it or nothing.

    Raises BackendError when this VTK cannot: image data needs 9.5 or newer.
    """
    try:
        from vtkmodules.vtkIOHDF import vtkHDFWriter
    except ImportError:
        vtkHDFWriter = None
    from vtkmodules.vtkCommonCore import vtkVersion

    version = vtkVersion.GetVTKVersion()
    if vtkHDFWriter is None:
        raise BackendError(f"VTK {version} cannot write .vtkhdf; expected a newer one, write .pvd here")

    def write(path: str | os.PathLike, image: Any) -> None:
        with replacing(path) as part:
            writer = vtkHDFWriter()
            writer.SetInputData(image)
            writer.SetFileName(str(part))
            with captured_messages() as messages:
                written = writer.Write()
            if not written or messages or not part.stat().st_size:
                raise BackendError(
                    f"VTK {version} cannot write images as .vtkhdf ({'; '.join(dict.fromkeys(messages)) or 'it wrote nothing'}); "
                    "write .pvd here"
                )

    return write


def write_pvd(path: str | os.PathLike, steps: Iterable[tuple[float, str | os.PathLike]]) -> None:
    """Write ParaView's list of files by time, all of it or nothing.

    Parameters
    ----------
    steps : (time, file) pairs; files are given from the folder of the .pvd.
    """
    sets = "".join(
        f"    <DataSet timestep={quoteattr(repr(float(time)))} file={quoteattr(Path(file).as_posix())}/>\n"
        for time, file in steps
    )
    text = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1">\n  <Collection>\n'
    with replacing(path) as part:
        part.write_text(f"{text}{sets}  </Collection>\n</VTKFile>\n", encoding="utf-8")


@contextlib.contextmanager
def captured_messages() -> Iterator[list[str]]:
    """Collect what VTK reports as failed in the block, instead of letting it print.

    An ErrorEvent observer is not enough: VTK's parsers, and its legacy reader for truncated files, report
    past the reader, to the output window. Warnings that tell of no failure are dropped.
    """
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow

    messages: list[str] = []
    window, previous = vtkStringOutputWindow(), vtkOutputWindow.GetInstance()
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkOutputWindow.SetInstance(window)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield messages
    finally:
        vtkOutputWindow.SetInstance(previous)
        vtkLogger.SetStderrVerbosity(verbosity)
        said = window.GetOutput()  # bytes when VTK quotes a file that is no text
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        for kind, text in _MESSAGE.findall(said):
            if kind == "ERROR" or _FAILURE.search(text):
                messages.append(re.sub(r"^\w+ \(0x[0-9a-f]+\): ", "", text).strip())
