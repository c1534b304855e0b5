"""In ParaView's window: notes every image that the opened model's source makes, one JSON object a line in $HYPERINR_WITNESS.

A reference backend makes any grid slow enough that a coarse one is worth it while things move.
"""

import json
import os

import numpy as np
from paraview import simple
from vtkmodules.util.numpy_support import vtk_to_numpy

source = next(item for item in simple.GetSources().values() if item.GetXMLName() == "HyperINRSource")
source.Backend = "reference"
algorithm = source.GetClientSideObject()


def is_filled_in(image, name):
    """Whether along x every second point is the mean of its neighbours, as in a grid sampled at half the points."""
    nx, ny, nz = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(nz, ny, nx, -1)[:, :, : nx - (nx + 1) % 2]
    between = values[:, :, 1::2] - (values[:, :, :-2:2] + values[:, :, 2::2]) / 2
    return bool(np.abs(between).max() < 1e-4 * np.ptp(values))


def note(*_):
    image = algorithm.GetOutputDataObject(0)
    data = image.GetPointData()
    names = [data.GetArrayName(index) for index in range(data.GetNumberOfArrays())]
    found = {
        "time": image.GetInformation().Get(image.DATA_TIME_STEP()),
        "arrays": names,
        "dims": image.GetDimensions(),
        "coarse": bool(names) and is_filled_in(image, names[0]),
        "slider": source.Parameter1,
    }
    with open(os.environ["HYPERINR_WITNESS"], "a") as file:
        file.write(json.dumps(found) + "\n")


algorithm.AddObserver("EndEvent", note)
