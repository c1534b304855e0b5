"""The filters on the vtk wheel of today, newer than ParaView's VTK: their own tests again, in .venv-vtk, without ParaView."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv-vtk" / "bin" / "python"
MODULES = ("source", "filters_compare", "filters_shadow", "image", "coarse", "memory")


def run(*words):
    """A command of that environment, which must not see this one's packages."""
    assert PYTHON.is_file(), f"{PYTHON} is missing; run `make test`, which calls tools/vtk_venv.sh"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([PYTHON, *words], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=500)


def test_the_wheel_is_newer_than_paraview_s_vtk_and_there_is_no_paraview():
    code = (
        "import importlib.util, hyperinr_core\n"
        "from vtkmodules.vtkCommonCore import vtkVersion\n"
        "print(vtkVersion().GetVTKVersion(), importlib.util.find_spec('paraview'), hyperinr_core.__file__)"
    )
    result = run("-c", code)
    version, paraview, place = result.stdout.split()
    assert tuple(map(int, version.split(".")[:2])) >= (9, 5) and paraview == "None" and ".venv-vtk" in place


def test_the_filters_own_tests_pass_there():
    tests = [f"tests/test_{name}.py" for name in MODULES]
    result = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert result.returncode == 0, result.stdout + result.stderr
    passed = int(re.search(r"(\d+) passed", result.stdout).group(1))
    assert passed > 60 and "skipped" not in result.stdout
