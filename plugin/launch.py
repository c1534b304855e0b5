"""How ParaView finds this package: the variables it needs, its programs, and running them safely."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

from hyperinr.filters.processes import apart, end
from hyperinr_core.errors import BackendError
from hyperinr_core.files import replacing

#: Systems that draw without X.
OWN_DISPLAY = ("win32", "darwin")

#: What the viewing path imports besides ourselves.
PACKAGES = ("hyperinr_core", "numpy", "safetensors", "scipy", "zstandard")


def environment() -> dict[str, str]:
    """Variables that make ParaView load the plugin and offer its macros, put before what they hold now."""
    return {
        "PYTHONPATH": _prepend([str(python_folder())], "PYTHONPATH"),
        "PV_PLUGIN_CONFIG_FILE": _prepend([str(write_plugin_config())], "PV_PLUGIN_CONFIG_FILE"),
        "PV_MACRO_PATH": _prepend([str(_home() / "plugin" / "macros")], "PV_MACRO_PATH"),
    }


def python_folder() -> Path:
    """A folder in the user's cache that leads to hyperinr and what viewing needs, for ParaView's Python to search.

    It must not see what else lies beside them: packages of ours would replace those that ParaView came with, and the
    window of ParaView 5.13 dies of a pygments. The folder's name follows what it links to, so none is ever changed.

    Raises
    ------
    BackendError for an editable install, which only this Python's import hooks can see.
    """
    if not (_home() / "__init__.py").is_file():  # which the wheel has and the checkout has not
        raise BackendError(
            f"hyperinr runs from {Path(__file__).parent}, an editable install that ParaView cannot see; "
            "install it normally with `pip install .`"
        )
    places = {"hyperinr": _home()}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            places[name] = Path(spec.origin).parent.resolve()
            if places[name].parents[1] == cache().resolve():  # it stands in for another, which it becomes
                places[name] = Path(str(importlib.import_module(name).__file__)).parent.resolve()
    folder = cache() / f"python-{hashlib.sha256(repr(sorted(places.items())).encode()).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    for name, place in places.items():
        with contextlib.suppress(FileExistsError):  # from an earlier start, or one at the same time
            _link(folder / name, place)
    return folder


def _link(link: Path, folder: Path) -> None:
    if sys.platform == "win32":
        _stand_in(link, folder)
    else:
        link.symlink_to(folder)


def _stand_in(link: Path, folder: Path) -> None:
    """Windows lets nobody but administrators make symbolic links: a package that becomes the other one when it is imported."""
    link.mkdir(exist_ok=True)
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location(__name__, {str(folder / '__init__.py')!r},\n"
        f"                                              submodule_search_locations=[{str(folder)!r}])\n"
        "sys.modules[__name__] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
    )
    if not (link / "__init__.py").is_file():
        with replacing(link / "__init__.py") as part:
            part.write_text(code, encoding="utf-8")


def _home() -> Path:
    """The folder of the package hyperinr itself, also where this is a link to it."""
    return Path(__file__).parents[1].resolve()


def plugin_xml() -> Path:
    """The file that ParaView loads."""
    return _home() / "xml" / "HyperINR.xml"


def cache() -> Path:
    """Our folder in the user's cache, made where it is missing."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyperinr"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"{folder} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a folder of yours"
        ) from None
    return folder


def write_plugin_config() -> Path:
    """A file in the user's cache that tells ParaView to load the plugin at its start; its name follows its content."""
    text = f'<Plugins>\n  <Plugin name="HyperINR" filename={quoteattr(str(plugin_xml()))} auto_load="1"/>\n</Plugins>\n'
    path = cache() / f"plugins-{hashlib.sha256(text.encode()).hexdigest()[:12]}.xml"
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    return path


def _prepend(entries: list[str], variable: str) -> str:
    present = [entry for entry in os.environ.get(variable, "").split(os.pathsep) if entry]
    return os.pathsep.join(dict.fromkeys(entries + present))


def find_program(name: str) -> str:
    """Path of a ParaView program; BackendError when there is none."""
    path = shutil.which(name)
    if path is None:
        package = "python3-paraview" if name in ("pvpython", "pvbatch") else "paraview"
        raise BackendError(
            f"{name} is not on PATH; expected ParaView 5.10 or newer, install it (Debian: apt install {package}) "
            "or add its bin folder to PATH"
        )
    return path


def on_display(command: list[str]) -> list[str]:
    """The command with an X display to draw on: the user's, or a virtual one.

    Raises
    ------
    BackendError when there is neither; ParaView would crash or hang instead of saying so.
    """
    if os.environ.get("DISPLAY") or sys.platform in OWN_DISPLAY:
        return command
    if shutil.which("xvfb-run") is None:
        raise BackendError(
            "there is no display (DISPLAY is not set) and no xvfb-run; ParaView needs one of them to draw, "
            "install xvfb (Debian: apt install xvfb xauth)"
        )
    # Without -noreset the server starts over when its last window closes, and refuses the next one meanwhile.
    return ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24 -noreset", *command]


def run_program(command: list[str], timeout: float) -> subprocess.CompletedProcess:
    """Run a program that could hang, with the plugin in its environment; no child of its own outlives it.

    Raises
    ------
    BackendError when it takes longer than `timeout` seconds.
    """
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",  # ParaView's Python looks for modules in its folder first; nobody keeps any here
        text=True,
        errors="replace",
        **apart(),  # so that all of it can be ended: xvfb-run leaves its server behind otherwise
    )
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BackendError(f"{' '.join(command[:4])} did not answer within {timeout:g} s and was ended") from None
    finally:
        if process.poll() is None:
            end(process)
            process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
