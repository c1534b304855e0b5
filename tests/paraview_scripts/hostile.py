"""Opens FOLDER/mutation*.hinr one after the other in one session, and a good file at the end; prints one JSON object."""

import json
import sys
from pathlib import Path

from paraview import simple
from vtkmodules.util.vtkConstants import VTK_STRING

FOLDER = Path(sys.argv[1])


def points_of(path):
    """How many points a source of the file has, and what it says."""
    source, said = simple.HyperINRSource(), []

    def note(caller, event, text):
        said.append(text)

    note.CallDataType = VTK_STRING
    source.GetClientSideObject().AddObserver("ErrorEvent", note)
    source.FileName = str(path)
    source.UpdatePipeline()
    n_points = source.GetDataInformation().GetNumberOfPoints()
    simple.Delete(source)
    return n_points, said


found = {"opened": 0, "refused": 0, "silent": [], "several": []}
for path in sorted(FOLDER.glob("mutation*.hinr")):
    n_points, said = points_of(path)
    found["opened" if n_points else "refused"] += 1
    if not n_points and not said:
        found["silent"].append(path.name)
    if len(said) > 1:
        found["several"].append((path.name, said))
found["good"] = points_of(FOLDER / "good0.hinr")[0]
print(json.dumps(found))
