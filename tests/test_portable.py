"""What holds on Linux alone is asked for where it is used, and text is UTF-8 on every system."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for folder in ("hyperinr_core", "filters", "plugin") for path in sorted((ROOT / folder).rglob("*.py"))]

#: Modules of the standard library, and names of os and signal, that Windows or another system lacks.
MODULES = {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "winreg", "_winapi"}
NAMES = {
    "os": {
        "fork",
        "getloadavg",
        "getpgid",
        "getuid",
        "killpg",
        "nice",
        "sched_getaffinity",
        "setsid",
        "statvfs",
        "sysconf",
        "uname",
    },
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "setitimer"},
}
#: Where such a name is used, and how the code knows that it is there.
ASKED = {
    ("filters/memory.py", "sysconf"): "AttributeError",
    ("filters/processes.py", "killpg"): "sys.platform",
    ("filters/processes.py", "SIGKILL"): "sys.platform",
    ("hyperinr_core/backends/native.py", "sched_getaffinity"): "hasattr",
    ("plugin/commands/bench.py", "getloadavg"): "hasattr",
    ("plugin/estimates.py", "sysconf"): "ImportError",
}


def trees():
    for path in SOURCES:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_imports_at_its_top_what_a_system_lacks():
    found = [
        (path, alias.name)
        for path, tree in trees()
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if {alias.name, getattr(node, "module", None)} & MODULES
    ]
    assert found == []


def test_what_a_system_lacks_is_asked_for():
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in SOURCES}
    used = {
        (path, node.attr)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.attr in NAMES.get(node.value.id, ())
    }
    assert used == set(ASKED)
    assert all(how in sources[path] for (path, _), how in ASKED.items())


def is_binary(call: ast.Call, place: int) -> bool:
    """Whether a call of open has a mode of bytes, which is its argument of that number."""
    modes = [*call.args[place : place + 1], *(each.value for each in call.keywords if each.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)


def wants_encoding(call: ast.Call) -> bool:
    """Whether a call opens, reads or writes text, or reads that of a process."""
    named = {each.arg for each in call.keywords}
    if isinstance(call.func, ast.Name):
        return call.func.id == "open" and not is_binary(call, 1)
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr == "TemporaryFile":
        return bool(call.args)
    # of a process, what cannot be decoded may be shown otherwise: the programs of others write as their system does
    is_of_process = call.func.attr in ("run", "Popen", "check_output") and "text" in named and "errors" not in named
    return is_of_process or call.func.attr in ("read_text", "write_text")


@pytest.mark.parametrize("folder", ["hyperinr_core", "filters", "plugin", "examples"])
def test_text_has_an_encoding(folder):
    """Without one it is the code page of Windows, where a name in a file may end a program."""
    found = [
        f"{path}:{node.lineno}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and wants_encoding(node)
        if not {"encoding", None} & {each.arg for each in node.keywords}
    ]
    assert found == []
