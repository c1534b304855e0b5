"""Which Python trains for ParaView: `sys.executable` names none inside pvpython, and viewing needs none with PyTorch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hyperinr_core
from hyperinr_core.errors import BackendError

#: Set this to a Python of your choice.
VARIABLE = "HYPERINR_PYTHON"

#: What training from ParaView imports, and how it is asked for without importing it.
NEEDED = ("torch", "vtkmodules", "hyperinr.plugin", "hyperinr_core", "click", "rich")
PROBE = (
    "import sys, importlib.util as u; "
    "print('missing', *(n for n in sys.argv[1:] if u.find_spec(n.split('.')[0]) is None or u.find_spec(n) is None))"
)
PROBE_SECONDS = 60


def find_python() -> str:
    """The first Python of this version that has what training needs.

    Raises
    ------
    BackendError when there is none; it says what the best of them lacks.
    """
    lacking: dict[str, list[str]] = {}
    for python in dict.fromkeys(_candidates()):
        missing = _missing(python)
        if missing == []:
            return python
        if missing:
            lacking[python] = missing
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not lacking:
        raise BackendError(f"no Python {version} was found to train with; set {VARIABLE} to the path of one")
    best = min(lacking, key=lambda python: len(lacking[python]))
    raise BackendError(
        f"{best} has no {', '.join(lacking[best])}; expected a Python {version} that can train, install it "
        f"(pip install 'hyperinr[train]') or set {VARIABLE} to a Python that has it"
    )


def environment() -> dict[str, str]:
    """Variables for that Python: what this one searches, text in UTF-8, and no plugin for a pvpython to load."""
    folders = [folder for folder in sys.path if folder and not folder.endswith(".zip")]
    searched = dict.fromkeys([str(_home()), *_from_environment(), *folders])
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(searched), "PYTHONIOENCODING": "utf-8"}
    variables.pop("PV_PLUGIN_CONFIG_FILE", None)
    return variables


def _home() -> Path:
    """The folder our packages lie in; ParaView's Python sees links to them."""
    return Path(hyperinr_core.__file__).resolve().parents[1]


def _from_environment() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _candidates() -> Iterator[str]:
    """The one that is asked for alone; else that of the environment our package lies in, this one, the system's, pvpython."""
    if os.environ.get(VARIABLE):
        yield os.environ[VARIABLE]
        return
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = _home()  # PREFIX/lib/pythonX.Y/site-packages, or a folder with a bin beside
    prefixes = [*home.parents[2:3], home, Path(sys.prefix), Path("/usr")]
    places = [prefix / "bin" / name for prefix in prefixes]
    if sys.platform == "win32":  # PREFIX\\Lib\\site-packages; a virtual environment has Scripts
        prefixes = [*home.parents[1:2], Path(sys.prefix)]
        places = [prefix / place / "python.exe" for prefix in prefixes for place in ("", "Scripts")]
    for path in [Path(sys.executable or name), *places]:
        if path.name.startswith("python") and os.access(path, os.X_OK):
            yield str(path)
    for program in ("python" if sys.platform == "win32" else name, "pvpython"):
        found = shutil.which(program)
        if found:
            yield found


def _missing(python: str) -> list[str] | None:
    """Packages that a Python lacks; None when it does not run, or is of another version."""
    code = f"import sys; sys.version_info[:2] == {sys.version_info[:2]} or sys.exit(3); {PROBE}"
    try:
        result = subprocess.run(
            [python, "-c", code, *NEEDED], env=environment(), capture_output=True, encoding="utf-8", errors="replace",
            timeout=PROBE_SECONDS, cwd="/", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    line = next((line for line in result.stdout.splitlines() if line.startswith("missing")), None)
    return line.split()[1:] if line is not None and result.returncode == 0 else None
