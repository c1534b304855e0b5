"""The optional compiled plugin: one file that holds the XML and the Python, built and loaded without our package."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import safetensors
from models import random_model

from hyperinr.plugin import launch
from hyperinr_core import hinr

ROOT = Path(__file__).parent.parent

SCRIPT = """
import importlib.util, json, sys
from paraview import servermanager, simple
plugin, folder = sys.argv[1:]
before = importlib.util.find_spec("hyperinr_core") is not None
simple.LoadPlugin(plugin, remote=False, ns=globals())
source = simple.OpenDataFile(folder + "/m.hinr")
source.UpdatePipeline(0.55)
image = servermanager.Fetch(source)
shadow = HyperINRShadow(Input=source)
shadow.UpdatePipeline(0.55)
found = {
    "before": before,
    "range": image.GetPointData().GetArray("density").GetRange(),
    "shadow": servermanager.Fetch(shadow).GetPointData().GetArray("density shadow").GetRange(),
}
open(folder + "/found.json", "w").write(json.dumps(found))
"""


def test_the_plugin_builds_and_reads_a_model_without_our_package(tmp_path):
    for step in (["-S", ROOT / "plugin" / "compiled", "-B", tmp_path / "build"], ["--build", tmp_path / "build"]):
        result = subprocess.run(["cmake", *map(str, step)], capture_output=True, text=True, timeout=200)
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (plugin,) = (tmp_path / "build").rglob("HyperINR.so")
    model = random_model()
    hinr.save(model, tmp_path / "m.hinr")
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "safetensors").symlink_to(Path(safetensors.__file__).parent)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "packages")}
    variables.pop("PV_PLUGIN_CONFIG_FILE", None)
    command = launch.on_display(["pvpython", str(tmp_path / "script.py"), str(plugin), str(tmp_path)])
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=variables, cwd="/")
    assert (tmp_path / "found.json").exists(), result.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    truth = model.generate(0.55, "reference").sample_grid()
    assert not found["before"]
    assert found["range"] == pytest.approx([truth.min(), truth.max()], abs=0.02)
    assert 0 <= found["shadow"][0] < found["shadow"][1] <= 1
