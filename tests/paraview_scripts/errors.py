"""How errors are shown: `errors.py FOLDER`, findings in FOLDER/errors.json."""

import json
import sys
from pathlib import Path

from paraview import simple

from hyperinr.plugin import scene

folder = Path(sys.argv[1])
truth, model = simple.OpenDataFile(str(folder / "run.pvd")), simple.OpenDataFile(str(folder / "ball.hinr"))
compare = simple.HyperINRCompare(Truth=truth, Model=model)
view = simple.CreateView("RenderView")
display = simple.Show(compare, view)
text = simple.Show(simple.OutputPort(compare, 1), view)
report = {"applied": [display.Representation.GetData(), *list(display.ColorArrayName)], "text": text.GetXMLName()}
for name in ("density absolute error", "density error"):
    simple.ColorBy(display, ("POINTS", name))
    simple.SetActiveSource(compare)
    scene.show_active()
    opacity = simple.GetOpacityTransferFunction(name).GetClientSideObject()
    low, high = (simple.GetColorTransferFunction(name).RGBPoints[i] for i in (0, -4))
    report[name] = {
        "shown": display.ColorArrayName[1],
        "ends": [low, high],
        "opacities": [opacity.GetValue(x) for x in (low, (low + high) / 2, high)],
    }
(folder / "errors.json").write_text(json.dumps(report))
