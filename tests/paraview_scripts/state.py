"""Loads STATE with the models in FOLDER and draws two of its times: `state.py STATE FOLDER`, findings in FOLDER/state.json."""

import json
import sys

from paraview import simple

state, folder = sys.argv[1:]
simple.LoadState(state, data_directory=folder, restrict_to_data_directory=True)
view = simple.GetActiveViewOrCreate("RenderView")
source = next(item for item in simple.GetSources().values() if item.GetXMLName() == "HyperINRSource")
scene = simple.GetAnimationScene()
last = list(source.TimestepValues)[-1]
for number, share in enumerate((0.3, 0.7)):
    scene.AnimationTime = share * last
    simple.SaveScreenshot(f"{folder}/{number}.png", view, ImageResolution=[400, 300])
with open(f"{folder}/state.json", "w") as file:
    json.dump({"model": source.FileName[0], "frames": scene.NumberOfFrames, "last": last}, file)
