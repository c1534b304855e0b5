"""The wheel: one for every Python, holding what ParaView needs and nothing that would get into its way."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import tomllib

import hyperinr_core

ROOT = Path(__file__).parent.parent
RECIPE = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
SPACK = (ROOT / "packaging" / "spack" / "package.py").read_text(encoding="utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INSTALLED = importlib.metadata.distribution("hyperinr")


def test_wheel_is_for_every_python_3():
    tags = re.findall(r"^Tag: (.*)$", INSTALLED.read_text("WHEEL"), re.MULTILINE)
    assert tags and all(tag.startswith("py3-none-") for tag in tags)


def test_kernel_needs_no_python():
    library = Path(hyperinr_core.__file__).parent / "native" / "libhyperinr_native.so"
    needed = subprocess.run(["ldd", library], capture_output=True, text=True, check=True).stdout
    assert "libc.so" in needed and "python" not in needed
    assert "Py_" not in library.read_bytes().decode("latin-1")


def test_everything_is_in_the_wheel():
    files = {str(file) for file in INSTALLED.files}
    for folder, installed in [
        ("hyperinr_core", "hyperinr_core"),
        ("filters", "hyperinr/filters"),
        ("plugin", "hyperinr/plugin"),
        ("xml", "hyperinr/xml"),
    ]:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".xml", ".json"):
                assert f"{installed}/{path.relative_to(ROOT / folder)}" in files
    assert not any(file.endswith((".cpp", ".inl", ".h")) for file in files)  # what the kernel is compiled from
    assert "hyperinr/__init__.py" in files and "hyperinr/xml/__init__.py" not in files


def test_version_is_said_once():
    assert INSTALLED.version == hyperinr_core.__version__
    assert f'version = "{hyperinr_core.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"version: {hyperinr_core.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"  version: {hyperinr_core.__version__}\n" in RECIPE
    assert f'version("{hyperinr_core.__version__}")' in SPACK and f"hyperinr-{hyperinr_core.__version__}.tar" in SPACK


def test_conda_and_spack_require_what_pip_does():
    needed = {tuple(line.split(">=")) for line in SETTINGS["project"]["dependencies"]}
    run = RECIPE[RECIPE.index("  run:") : RECIPE.index("  run_constraints:")]
    assert set(re.findall(r"- (\S+) >=(\S+)", run)) == needed
    spack = re.findall(r'depends_on\("py-(\S+)@([\d.]+):", type=\("build", "run"\)\)', SPACK)
    assert {(name, _two(version)) for name, version in spack} == {(name, _two(version)) for name, version in needed}


def test_all_builds_take_the_same_vtk_js():
    name, digest = re.search(
        r"set\(vtk_js (\S+)\)\s+set\(vtk_js_sha256 (\w+)\)", (ROOT / "CMakeLists.txt").read_text()
    ).groups()
    assert digest in RECIPE and f"vtk_js: {name.rpartition('-')[2]}\n" in RECIPE
    assert digest in SPACK and f"{name}.tgz" in SPACK


def _two(version: str) -> tuple[int, ...]:
    return tuple(map(int, f"{version}.0".split(".")[:2]))
