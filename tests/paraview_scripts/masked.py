"""What ParaView's filters make of FOLDER/masked.hinr, over all ranks of a pvbatch or a server: FOLDER NAME [PORT PLUGIN].

Written to FOLDER/NAME.json.
"""

import json
import sys
from pathlib import Path

from paraview import servermanager, simple

FOLDER, NAME, TIME = Path(sys.argv[1]), sys.argv[2], 0.5
if len(sys.argv) > 3:
    simple.Connect("localhost", int(sys.argv[3]))
    simple.LoadPlugin(sys.argv[4], remote=False, ns=globals())

source = simple.OpenDataFile(str(FOLDER / "masked.hinr"))
source.UpdatePipeline(TIME)
low, high = source.PointData["density"].GetRange(0)


def shown(proxy):
    """Cells and bounds of what a filter puts out."""
    proxy.UpdatePipeline(TIME)
    info = proxy.GetDataInformation()
    return {"cells": info.GetNumberOfCells(), "bounds": info.GetBounds()}


histogram = simple.Histogram(Input=source, SelectInputArray=["POINTS", "density"])
histogram.UpdatePipeline(TIME)
counts = servermanager.Fetch(histogram).GetRowData().GetArray("bin_values")
integral = simple.IntegrateVariables(Input=source)
integral.UpdatePipeline(TIME)
sums = servermanager.Fetch(integral)
middle = [sum(pair) / 2 for pair in zip(*[iter(source.GetDataInformation().GetBounds())] * 2)]
cut = simple.Slice(Input=source)
cut.SliceType.Origin, cut.SliceType.Normal = middle, [0, 0, 1]
contour = simple.Contour(Input=source, ContourBy=["POINTS", "density"], Isosurfaces=[(low + high) / 2])


def middles(surface):
    """The middle of every cell."""
    boxes = [surface.GetCell(index).GetBounds() for index in range(surface.GetNumberOfCells())]
    return [[(box[i] + box[i + 1]) / 2 for i in (0, 2, 4)] for box in boxes]


report = {
    "type": source.GetDataInformation().GetDataSetTypeAsString(),
    "range": [low, high],
    "slice": shown(cut),
    "contour": {**shown(contour), "middles": middles(servermanager.Fetch(contour))},
    "counted": sum(counts.GetValue(i) for i in range(counts.GetNumberOfTuples())),
    "volume": sums.GetCellData().GetArray("Volume").GetValue(0),
    "integral": sums.GetPointData().GetArray("density").GetValue(0),
}
(FOLDER / f"{NAME}.json").write_text(json.dumps(report))
