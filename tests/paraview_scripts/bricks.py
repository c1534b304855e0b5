"""FOLDER/m.hinr, an index of bricks, on each rank: which bricks the rank has read, to FOLDER/NAME_RANK.json, and its values."""

import json
import sys
from pathlib import Path

import numpy as np
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy

folder, name = Path(sys.argv[1]), sys.argv[2]
source = simple.OpenDataFile(str(folder / "m.hinr"))
module = servermanager.vtkProcessModule.GetProcessModule()
found = {"rank": module.GetPartitionId(), "ranks": module.GetNumberOfLocalPartitions(), "proxy": source.GetXMLName()}
found["times"] = [source.TimestepValues[0], source.TimestepValues[-1]]
algorithm = source.GetClientSideObject()
found["before"] = sorted(algorithm._model._opened)  # of which ParaView's panel asks what they look like
algorithm._model._opened.clear()
if name == "region":
    source.RegionOfInterest = 1
    source.RegionPosition, source.RegionSize = [1.0, -2.0, 0.5], [2.0, 1.0, 3.0]
source.UpdatePipeline(0.7)
image = algorithm.GetOutputDataObject(0)
found["extent"], found["opened"] = image.GetExtent(), sorted(algorithm._model._opened)
found["size"] = algorithm.GetModelSize()
nx, ny, nz = image.GetDimensions()
np.save(
    folder / f"{name}_{found['rank']}.npy", vtk_to_numpy(image.GetPointData().GetArray("density")).reshape(nz, ny, nx)
)
(folder / f"{name}_{found['rank']}.json").write_text(json.dumps(found))
