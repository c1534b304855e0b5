"""The floors of the house: who may import whom. One table, read from the sources."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARIES = {"numpy", "scipy", "safetensors"}

#: folder or file -> packages it may import besides the standard library; the most specific entry holds
FLOORS = {
    "hyperinr_core": LIBRARIES | {"hyperinr_core"},
    "hyperinr_core/table_coding.py": LIBRARIES | {"hyperinr_core", "zstandard"},
    **{
        f"hyperinr_core/backends/{name}.py": LIBRARIES | {"hyperinr_core", "torch"}
        for name in ("torch", "cuda", "device")
    },
    "hyperinr_core/backends/triton.py": LIBRARIES | {"hyperinr_core", "torch", "triton"},
    "hyperinr_core/backends/triton_kernels.py": {"triton"},
    "hyperinr_core/backends/tcnn.py": LIBRARIES | {"hyperinr_core", "torch", "tinycudann"},
    "hyperinr_core/training": LIBRARIES | {"hyperinr_core", "torch", "triton"},
    "filters": LIBRARIES | {"hyperinr_core", "hyperinr.filters", "vtkmodules"},
    "filters/readers/cinema.py": LIBRARIES | {"hyperinr_core", "PIL"},
    "plugin": LIBRARIES
    | {"hyperinr_core", "hyperinr.filters", "hyperinr.plugin", "click", "rich", "matplotlib", "vtkmodules"},
    "plugin/commands/view.py": LIBRARIES | {"hyperinr_core", "hyperinr.plugin", "click", "trame"},
    "plugin/commands/bench.py": LIBRARIES | {"hyperinr_core", "hyperinr.plugin", "click", "rich", "torch"},
    "plugin/commands/rate_distortion.py": LIBRARIES
    | {
        "hyperinr_core",
        "hyperinr.filters",
        "hyperinr.plugin",
        "click",
        "rich",
        "matplotlib",
        "vtkmodules",
        "zfpy",
        "pysz",
        "h5py",
        "hdf5plugin",
    },
    # these run inside ParaView
    "plugin/shading.py": {"paraview", "numpy", "hyperinr_core", "hyperinr.filters", "hyperinr.plugin"},
    "plugin/scenes/live.py": {"paraview"},
    "plugin/macros": {"hyperinr.plugin"},
    "plugin/scene.py": {"paraview", "hyperinr_core", "hyperinr.filters"},
    "plugin/scenes/views_scene.py": {"paraview", "hyperinr_core"},
    "plugin/scenes/opened.py": {"paraview", "hyperinr_core", "hyperinr.filters", "hyperinr.plugin"},
    "plugin/scenes/probe.py": {"paraview", "vtkmodules", "numpy", "hyperinr_core", "hyperinr.filters"},
}
SOURCES = sorted(
    path.relative_to(ROOT)
    for folder in ("hyperinr_core", "filters", "plugin")
    for path in (ROOT / folder).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path} has a relative import; expected absolute ones, which floors can be read from"
            )
            names.add(node.module)
    return names


def allowed(path: Path) -> set[str]:
    entries = [entry for entry in FLOORS if path.as_posix() == entry or path.as_posix().startswith(f"{entry}/")]
    return FLOORS[max(entries, key=len)]


def within(module: str, packages: set[str]) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names:
        return True
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_stay_on_their_floor(path):
    strangers = {module for module in imported(path) if not within(module, allowed(path))}
    assert not strangers, f"{path} imports {sorted(strangers)}; its floor allows {sorted(allowed(path))}"


def test_every_folder_is_seen():
    assert {path.parts[0] for path in SOURCES} == {"hyperinr_core", "filters", "plugin"}
    assert not (ROOT / "xml" / "__init__.py").exists(), "it would shadow the standard library's xml on ParaView's path"
