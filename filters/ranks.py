"""Images that are spread over the ranks of an MPI run, brought together on the first of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from vtkmodules.vtkCommonCore import vtkIntArray
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkParallelCore import vtkMultiProcessController

from hyperinr.filters.image import array_of, numeric_arrays
from hyperinr.filters.readers.grids import shape_of
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Extent

TAG = 7411


def rank() -> int:
    """This process's number, 0 where there is only one."""
    controller = vtkMultiProcessController.GetGlobalController()
    return controller.GetLocalProcessId() if controller else 0


def n_ranks() -> int:
    """How many processes there are."""
    controller = vtkMultiProcessController.GetGlobalController()
    return controller.GetNumberOfProcesses() if controller else 1


def all_well(well: bool) -> bool:
    """Whether all ranks are well; every rank must ask."""
    if n_ranks() == 1:
        return well
    mine, least = vtkIntArray(), vtkIntArray()
    for array in (mine, least):
        array.SetNumberOfTuples(1)
    mine.SetValue(0, int(well))
    vtkMultiProcessController.GetGlobalController().AllReduce(mine, least, 1)  # vtkCommunicator::MIN_OP
    return bool(least.GetValue(0))


def gathered(image: vtkImageData, whole: Extent) -> vtkImageData | None:
    """The whole image on the first rank, from the pieces of all; None on the others. Every rank must call it.

    Raises
    ------
    DataError when the pieces do not cover the image.
    """
    if n_ranks() == 1:
        return image
    controller = vtkMultiProcessController.GetGlobalController()
    if rank():
        controller.Send(image, 0, TAG)
        return None
    pieces = [image, *(controller.ReceiveDataObject(other, TAG) for other in range(1, n_ranks()))]
    return _merged([piece for piece in pieces if piece.GetNumberOfPoints()], whole)


def _merged(pieces: list[vtkImageData], whole: Extent) -> vtkImageData:
    if not pieces:
        raise DataError("no process has a part of the image; expected the input's data, look for an error above")
    result = vtkImageData()
    result.CopyStructure(pieces[0])
    result.SetExtent(*whole)
    for on_cells in (False, True):
        for name in numeric_arrays(_attributes(pieces[0], on_cells)):
            _attributes(result, on_cells).AddArray(_merged_array(pieces, whole, name, on_cells))
    return result


def _merged_array(pieces: list[vtkImageData], whole: Extent, name: str, on_cells: bool) -> Any:
    first = _attributes(pieces[0], on_cells).GetArray(name)
    array = first.NewInstance()
    array.SetName(name)
    array.CopyInformation(first.GetInformation(), 1)
    array.SetNumberOfComponents(first.GetNumberOfComponents())
    shape = shape_of(whole, on_cells)
    array.SetNumberOfTuples(math.prod(shape))
    holder = vtkImageData().GetPointData()
    holder.AddArray(array)
    values, filled = array_of(holder, name, shape), np.zeros(shape, bool)
    for piece in pieces:
        extent = piece.GetExtent()
        size = shape_of(extent, on_cells)
        place = tuple(slice(extent[i] - whole[i], extent[i] - whole[i] + n) for i, n in zip((4, 2, 0), size))
        values[place] = array_of(_attributes(piece, on_cells), name, size)
        filled[place] = True
    if not filled.all():
        raise DataError(
            f"the processes hold {filled.mean():.0%} of {name!r}; expected all of it, filter the data on fewer processes"
        )
    return array


def _attributes(image: vtkImageData, on_cells: bool) -> Any:
    return image.GetCellData() if on_cells else image.GetPointData()
