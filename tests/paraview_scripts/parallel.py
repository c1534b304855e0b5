"""Cells, points and integrals of FOLDER/volume.hinr, over all ranks of a pvbatch: appended to FOLDER/NAME.json."""

import json
import sys
from pathlib import Path

from paraview import servermanager, simple

folder, name = Path(sys.argv[1]), sys.argv[2]
source = simple.OpenDataFile(str(folder / "volume.hinr"))
source.UpdatePipeline(0.55)
info = source.GetDataInformation()
integral = simple.IntegrateVariables(Input=source)
integral.UpdatePipeline(0.55)
sums = servermanager.Fetch(integral)
other = simple.Calculator(Input=source, ResultArrayName="density", Function="density * 1.1")
comparison = simple.HyperINRCompare(Truth=source, Model=other)
errors = simple.IntegrateVariables(Input=comparison)
errors.UpdatePipeline(0.5)
report = {
    "ranks": servermanager.vtkProcessModule.GetProcessModule().GetNumberOfLocalPartitions(),
    "cells": info.GetNumberOfCells(),
    "points": info.GetNumberOfPoints(),
    "bounds": info.GetBounds(),
    "volume": sums.GetCellData().GetArray("Volume").GetValue(0),
    "density": sums.GetPointData().GetArray("density").GetValue(0),
    "error": servermanager.Fetch(errors).GetPointData().GetArray("density error").GetValue(0),
    "psnr": comparison.FieldData["density PSNR (dB)"].GetRange(0),
    "compared_cells": comparison.GetDataInformation().GetNumberOfCells(),
    "velocity": sums.GetPointData().GetArray("velocity").GetTuple(0),
}
(folder / f"{name}.json").write_text(json.dumps(report))
