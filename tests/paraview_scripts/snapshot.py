"""In ParaView's window: notes the time and the animation in $HYPERINR_WITNESS, and saves the view beside it as a picture."""

import json
import os
from pathlib import Path

from paraview import simple

path = Path(os.environ["HYPERINR_WITNESS"])
scene, view = simple.GetAnimationScene(), simple.GetActiveView()
simple.SaveScreenshot(str(path.with_name("snapshot.png")), view, ImageResolution=[400, 300])
times = {}
for (name, _), source in simple.GetSources().items():
    source.UpdatePipeline(view.ViewTime)
    image = source.GetClientSideObject().GetOutputDataObject(0)
    if image.GetInformation().Has(image.DATA_TIME_STEP()):
        times[name] = image.GetInformation().Get(image.DATA_TIME_STEP())
mode = scene.GetProperty("PlayMode").GetData()
found = {"time": view.ViewTime, "times": times, "mode": mode, "frames": scene.NumberOfFrames}
path.with_name("snapshot.json").write_text(json.dumps(found))
