"""The floors of the house and the rooms of the core: who may import whom. Two tables, read from the sources."""

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
    "hyperinr_core/packing.py": LIBRARIES | {"hyperinr_core", "zstandard"},
    **{
        f"hyperinr_core/backends/{name}.py": LIBRARIES | {"hyperinr_core", "torch"}
        for name in ("torch", "cuda", "device")
    },
    "hyperinr_core/backends/triton.py": LIBRARIES | {"hyperinr_core", "torch", "triton"},
    "hyperinr_core/backends/triton_kernels.py": {"triton"},
    "hyperinr_core/backends/triton_rows.py": {"hyperinr_core", "triton"},
    **{f"hyperinr_core/motion/{name}.py": LIBRARIES | {"hyperinr_core", "torch"} for name in ("torch", "device")},
    "hyperinr_core/motion/triton.py": LIBRARIES | {"hyperinr_core", "torch", "triton"},
    "hyperinr_core/motion/triton_kernels.py": {"triton"},
    "hyperinr_core/spline_base.py": LIBRARIES | {"hyperinr_core", "torch"},
    "hyperinr_core/backends/tcnn.py": LIBRARIES | {"hyperinr_core", "torch", "tinycudann"},
    "hyperinr_core/measure/codecs.py": LIBRARIES | {"zfpy", "pysz", "h5py", "hdf5plugin"},
    "hyperinr_core/tracing/open_image_denoise.py": LIBRARIES | {"hyperinr_core", "pyoidn"},
    "hyperinr_core/training": LIBRARIES | {"hyperinr_core", "torch", "triton"},
    "filters": LIBRARIES | {"hyperinr_core", "hyperinr.filters", "vtkmodules"},
    "filters/readers/mesh_worker.py": {"numpy", "vtkmodules", "paraview", "probing"},
    "filters/readers/probing.py": {"numpy", "vtkmodules"},
    "filters/readers/picture_files.py": LIBRARIES | {"hyperinr_core", "PIL"},
    "plugin": LIBRARIES
    | {"hyperinr_core", "hyperinr.filters", "hyperinr.plugin", "click", "rich", "matplotlib", "vtkmodules"},
    "plugin/commands/view.py": LIBRARIES | {"hyperinr_core", "hyperinr.plugin", "click", "trame"},
    "plugin/commands/bench.py": LIBRARIES | {"hyperinr_core", "hyperinr.plugin", "click", "rich", "torch"},
    "plugin/video.py": LIBRARIES | {"hyperinr_core", "hyperinr.filters", "PIL"},
    "plugin/demo/plots.py": LIBRARIES | {"hyperinr_core", "matplotlib", "PIL"},
    "plugin/cluster.py": {"distributed", "hyperinr_core", "hyperinr.plugin"},
    # these run inside ParaView
    "plugin/shading.py": {"paraview", "numpy", "hyperinr_core", "hyperinr.filters", "hyperinr.plugin"},
    "plugin/scenes/live.py": {"paraview"},
    "plugin/scenes/demo_pictures.py": {"paraview", "hyperinr_core", "hyperinr.plugin"},
    "plugin/scenes/camera_picture.py": {"paraview", "vtkmodules", "numpy", "hyperinr_core", "hyperinr.filters"},
    "plugin/scenes/cinematic_view.py": {"paraview", "hyperinr_core", "hyperinr.filters", "hyperinr.plugin"},
    "plugin/macros": {"hyperinr.plugin"},
    "plugin/scene.py": {"paraview", "hyperinr_core", "hyperinr.filters"},
    "plugin/scenes/views_scene.py": {"paraview", "hyperinr_core"},
    "plugin/scenes/opened.py": {"paraview", "hyperinr_core", "hyperinr.filters", "hyperinr.plugin"},
    "plugin/scenes/probe.py": {"paraview", "vtkmodules", "numpy", "hyperinr_core", "hyperinr.filters"},
}

#: The rooms of hyperinr_core from the lowest to the highest: files and folders, the most specific entry holds. A line imports
#: from the lines above it and from itself.
ROOMS = (
    ("__init__.py", "errors.py"),
    ("config.py", "files.py", "mask.py", "once.py", "packing.py"),
    ("volume.py", "level_coding.py", "volume_coding.py"),
    ("cuts.py",),
    ("hash_grid.py", "stored_tables.py"),
    ("architecture.py", "table_coding.py"),
    ("mask_coding.py",),
    ("backends",),
    ("spaces",),
    ("light", "spline_base.py"),
    ("shift.py",),
    ("inr.py",),
    ("model.py", "bound.py"),
    ("motion",),
    ("motion_coding.py", "bound_coding.py"),
    ("hypernet.py",),
    ("joined.py",),
    ("bricks.py", "hinr_document.py"),
    ("index_document.py",),
    ("hinr.py", "pictures"),
    ("joining.py", "radiance"),
    ("tracing",),
    ("loading.py",),
    # what training and compression read, too
    ("measure/__init__.py", "measure/metrics.py", "measure/baselines.py"),
    ("measure/report.py",),
    ("measure/series.py",),
    ("compression.py", "lean.py", "bounding.py"),
    ("training/drawing.py",),
    (
        "training/__init__.py",
        "training/settings.py",
        "training/samples.py",
        "training/checkpoint.py",
        "training/crop.py",
        "training/watch.py",
    ),
    ("training/feed.py", "training/replay.py", "training/threads.py"),
    ("training/resident.py",),
    ("training/evaluators", "training/teachers"),
    ("training/motion",),
    ("training",),
    ("training/volumes", "training/lights", "training/views"),
    ("training/students.py",),
    ("measure",),
)

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


def module_of(path: Path) -> str:
    """The name that a source is imported by."""
    package = path.parts[0] if path.parts[0] == "hyperinr_core" else f"hyperinr.{path.parts[0]}"
    parts = [part for part in path.with_suffix("").parts[1:] if part != "__init__"]
    return ".".join([package, *parts])


CORE = [path for path in SOURCES if path.parts[0] == "hyperinr_core"]
MODULES = {module_of(path): path for path in SOURCES}


def own_imports(path: Path) -> set[Path]:
    """Files of ours that a file imports, lazily or not; `from package import module` counts as the module.

    What is imported for the type checker alone, which the program never does, is not.
    """
    files, tree = set(), ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            files.update(MODULES.get(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            files.update(MODULES.get(f"{node.module}.{alias.name}", MODULES.get(node.module)) for alias in node.names)
    return files - {None, path}


def room_of(path: Path) -> tuple[int, str]:
    """The line of a core's file in ROOMS, and its entry."""
    name = path.relative_to("hyperinr_core").as_posix()
    entries = [(line, entry) for line, row in enumerate(ROOMS) for entry in row]
    mine = [(line, entry) for line, entry in entries if name == entry or name.startswith(f"{entry}/")]
    assert mine, f"{path} is in no room; expected it in ROOMS"
    return max(mine, key=lambda item: len(item[1]))


def circles(imports: dict[Path, set[Path]]) -> list[list[Path]]:
    """Files that import each other in the end, in groups."""
    reached = {path: {path} for path in imports}
    changed = True
    while changed:
        changed = False
        for path, found in reached.items():
            more = found.union(*(reached[other] for other in imports[path]))
            if more != found:
                reached[path], changed = more, True
    groups = {frozenset(other for other in found if path in reached[other]) for path, found in reached.items()}
    return sorted(sorted(group) for group in groups if len(group) > 1)


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


def test_no_import_goes_up():
    """Two rooms on one line do not import each other, either."""
    upward = []
    for path in CORE:
        line, room = room_of(path)
        for other in own_imports(path):
            theirs, entry = room_of(other)
            if theirs > line or (theirs == line and entry != room):
                upward.append(f"{path} imports {other}")
    assert upward == []


def test_every_room_is_there():
    named = {entry for row in ROOMS for entry in row}
    assert named == {room_of(path)[1] for path in CORE}


def test_no_files_import_each_other():
    assert circles({path: own_imports(path) for path in SOURCES}) == []


def test_circles_are_found():
    a, b, c, d = (Path(name) for name in "abcd")
    assert circles({a: {b}, b: {c}, c: {a, d}, d: set()}) == [[a, b, c]]
