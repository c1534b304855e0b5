"""What ParaView makes of the motion of FOLDER/carried.hinr: one JSON object goes to FOLDER/NAME.json.

Where NAME begins with "part", it is the number of ranks, and the image goes to FOLDER/NAME.pvti.
"""

import json
import sys
from pathlib import Path

from paraview import servermanager, simple

FOLDER, NAME = Path(sys.argv[1]), sys.argv[2]
VELOCITY = ["POINTS", "density velocity"]
SEED = (2.0, -1.5, 3.0)


def arrays(source):
    return list(source.PointData.keys())


def opened(name="carried"):
    source = simple.OpenDataFile(str(FOLDER / f"{name}.hinr"))
    source.UpdatePipeline(0.3)
    return source


def choices():
    """Arrays and settings: as opened, chosen, after a state was saved and loaded; and of a model without motion."""
    source = opened()
    found = {"offered": list(source.GetPropertyValue("MotionArraysInfo"))[::2], "chosen": [list(source.MotionArrays)]}
    found["arrays"] = [arrays(source)]
    source.MotionArrays = ["velocity", "uncertainty"]
    source.UpdatePipeline(0.3)
    found["arrays"].append(arrays(source))
    display = simple.Show(source, simple.CreateView("RenderView"))
    found["shown"] = list(display.ColorArrayName)
    simple.SaveState(str(FOLDER / "state.pvsm"))
    simple.ResetSession()
    simple.LoadState(str(FOLDER / "state.pvsm"))
    source = next(iter(simple.GetSources().values()))
    source.UpdatePipeline(0.3)
    found["chosen"].append(list(source.MotionArrays))
    found["arrays"].append(arrays(source))
    still = opened("still")
    found["still"] = [
        list(still.GetPropertyValue("MotionArraysInfo")),
        still.GetPropertyValue("HasMotion"),
        arrays(still),
    ]
    return found


def moving():
    source = simple.OpenDataFile(str(FOLDER / "carried.hinr"))
    source.MotionArrays = ["velocity"]
    source.UpdatePipeline(0.3)
    return source


def streams():
    """Points of the stream line through a seed."""
    tracer = simple.StreamTracer(Input=moving(), SeedType="Point Cloud", Vectors=VELOCITY)
    tracer.SeedType.Center, tracer.SeedType.Radius, tracer.SeedType.NumberOfPoints = SEED, 0.01, 1
    tracer.UpdatePipeline(0.3)
    line = servermanager.Fetch(tracer)
    return [line.GetPoint(i) for i in range(line.GetNumberOfPoints())]


def paths():
    """Places of a particle at times 0, 0.25 and on to 1."""
    source = moving()
    source.StepsBetween = 1
    seeds = simple.PointSource(Center=SEED, Radius=0.0, NumberOfPoints=1)
    path = simple.ParticlePath(Input=source, SeedSource=seeds, SelectInputVectors=VELOCITY)
    path.TerminationTime = 1.0
    path.UpdatePipeline(1.0)
    line = servermanager.Fetch(path)
    return [line.GetPoint(i) for i in range(line.GetNumberOfPoints())]


def glyphs():
    glyph = simple.Glyph(Input=moving(), GlyphType="Arrow", OrientationArray=VELOCITY, ScaleArray=VELOCITY)
    glyph.UpdatePipeline(0.3)
    return glyph.GetDataInformation().GetNumberOfPoints()


n_ranks = servermanager.vtkProcessModule.GetProcessModule().GetNumberOfLocalPartitions()
if NAME.startswith("part"):
    source = moving()
    source.MotionArrays = ["velocity", "trust", "uncertainty"]
    source.UpdatePipeline(0.3)  # what is kept of the steps serves the next gap
    source.UpdatePipeline(0.8)
    simple.SaveData(str(FOLDER / f"{NAME}.pvti"), source)
    report = {"ranks": n_ranks}
else:
    report = {part.__name__: part() for part in (choices, streams, paths, glyphs)}
(FOLDER / f"{NAME}.json").write_text(json.dumps(report))
