"""ParaView's window on a screen of its own: started as users start it, driven by mouse and keyboard, looked at.

Its widgets are found as a screen reader finds them and pressed with a real mouse: `window.button("Play").click()`,
`window.choose("File", "Save State...")`, `window.field("Dims").write("21")`. Pictures that a test keeps go to build/gui.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import accessible
import numpy as np
import pytest
from accessible import BUTTON, CELL, CHECK_BOX, COMBO_BOX, LABEL, MENU_ITEM, SLIDER, TEXT, Widget, named

SIZE = (1280, 720)
KEPT = Path(__file__).resolve().parents[1] / "build" / "gui"
SHADERS = KEPT.with_name("shaders")  # what Mesa has compiled, for all windows
SCRIPTS = Path(__file__).parent / "paraview_scripts"
MAIN = "ParaView [0-9]"  # the title of the main window
HANDLE, LINE = 11, 22  # pixels, of a slider and between two sources


class Window:
    """A running ParaView.

    Attributes
    ----------
    folder : where its home, its messages and its screen are.
    witness : the macro after which `witnessed` has something to tell.
    """

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self._closed = False
        SHADERS.mkdir(parents=True, exist_ok=True)
        self.witness = folder / ".config" / "ParaView" / "Macros" / "witness.py"
        screen = ["-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nocursor"]  # a mouse is no part of a picture
        self._screen = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", *screen, "-noreset", "-fbdir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._bus = accessible.Bus(folder)
        display = f":{self._screen.stdout.readline().decode().strip()}"
        self._environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder),
            "MESA_SHADER_CACHE_DIR": str(SHADERS),
            "HYPERINR_WITNESS": str(folder / "witness.jsonl"),
            "DBUS_SESSION_BUS_ADDRESS": self._bus.address,
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
        }
        with open(folder / "messages.txt", "w") as messages:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hyperinr.plugin.cli", "paraview", *arguments],
                env=self._environment,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
            )

    def close(self) -> None:
        """End it, and what it started."""
        if self._closed:
            return
        self._closed = True
        for process in (self.process, self._screen):
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._screen.stdout.close()
        self._bus.close()

    # Looking.

    def look(self) -> np.ndarray | None:
        """(rows, columns, 3) uint8 what is on the screen; None before there is anything."""
        return framebuffer(self.folder / "Xvfb_screen0")

    def messages(self) -> str:
        """What it printed."""
        return (self.folder / "messages.txt").read_text()

    def witnessed(self) -> list[dict]:
        """The images that the source has made since the macro `witness` was run."""
        path = self.folder / "witness.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def snapshot(self) -> tuple[dict, Path]:
        """What the macro `snapshot` finds now, and the picture of the view that it saves."""
        note = self.folder / "snapshot.json"
        note.unlink(missing_ok=True)
        self.run_macro("snapshot")
        self.wait_until(lambda: note.is_file() and note.read_text().endswith("}"), "a snapshot")
        return json.loads(note.read_text()), note.with_suffix(".png")

    def wait_for(self, condition, what: str = "what it should", seconds: float = 90):
        """The first screen for which a condition is true; fails when ParaView ends or time runs out."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"ParaView ended\n{self.messages()}"
            pixels = self.look()
            if pixels is not None and condition(pixels):
                return pixels
            time.sleep(0.2)
        self.keep("failed")
        raise AssertionError(f"ParaView did not show {what}, see {KEPT}/failed.png\n{self.messages()}")

    def wait_until(self, condition, what: str) -> None:
        """Wait for something that is not seen on the screen."""
        self.wait_for(lambda pixels: condition(), what)

    def keep(self, name: str) -> None:
        """Store what is on the screen as build/gui/NAME.png."""
        from PIL import Image

        KEPT.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.look()).save(KEPT / f"{name}.png")

    # Doing.

    def do(self, *words) -> None:
        """Run xdotool."""
        subprocess.run(
            ["xdotool", *map(str, words)], env=self._environment, check=True, timeout=60, capture_output=True
        )

    def settle(self) -> None:
        """Wait for the window, and give it the whole screen."""
        self.wait_for(lambda pixels: shows_something(pixels[:140, :1000]), "its toolbars")
        self._bus.listen()
        window = self._window(MAIN)
        self.do("windowsize", window, *SIZE)
        self.do("windowfocus", window)
        self.wait_for(lambda pixels: len(np.unique(pixels[-20:, 900:1200])) > 20, "its status line at the bottom")

    def _window(self, name: str) -> str:
        """The newest visible window of a name, once there is one."""
        found: list[str] = []
        self.wait_until(lambda: found.extend(self._search("--name", name)) or found, f"a window {name}")
        return found[-1]

    def _search(self, *words: str) -> list[str]:
        """Visible windows; again when one of them closed while xdotool asked for its name, which ends xdotool."""
        command = ["xdotool", "search", "--onlyvisible", *words]
        while True:
            result = subprocess.run(command, env=self._environment, timeout=60, capture_output=True, text=True)
            if "X Error" not in result.stderr:
                return result.stdout.split()

    def _wait_gone(self, window: str) -> None:
        self.wait_until(lambda: window not in self._search("--class", "paraview"), f"window {window} closing")

    # Widgets, by the names that ParaView shows or says of them.

    def button(self, name: str) -> Handle:
        """A button of a toolbar, a panel or a dialog, also one that stays pressed."""
        return self.widget(
            lambda widget: widget.role in (BUTTON, CHECK_BOX) and widget.name == name, f"a button {name}"
        )

    def field(self, label: str, index: int = 0) -> Handle:
        """What is right of a label in a panel: a field to write in, a list to choose from."""
        return self._labelled(label, (TEXT, COMBO_BOX), index)

    def slider(self, label: str) -> Handle:
        """The slider right of a label in a panel."""
        return self._labelled(label, (SLIDER,), 0)

    def row(self, name: str) -> Handle:
        """A row of a list or a tree."""
        return self.widget(named(CELL, name), f"a row {name}")

    def source(self, number: int) -> None:
        """Click on a line of the pipeline browser, which ParaView draws without widgets; 0 is the server's."""
        left, top, _, _ = self.widget(lambda widget: widget.name == "Pipeline Browser", "its sources").place.box
        self.do("mousemove", left + 60, top + 32 + LINE * number, "click", 1)
        time.sleep(0.5)

    def widget(self, fits, what: str, place: Widget | None = None) -> Handle:
        """The first visible widget that fits, in the windows or in another widget, once there is one."""
        found: list[Widget] = []
        self.wait_until(lambda: found.extend(islice((place or self._bus).find(fits), 1)) or found, what)
        return Handle(self, found[0])

    def _labelled(self, label: str, roles: tuple[int, ...], index: int) -> Handle:
        left, top, _, bottom = self.widget(named(LABEL, label), f"a label {label}").place.box

        def beside(widget: Widget) -> bool:
            x, y = widget.middle
            return widget.role in roles and x > left and top <= y < bottom

        found = sorted(self._bus.find(beside), key=lambda widget: widget.middle)
        assert len(found) > index, f"nothing to set right of {label}"
        return Handle(self, found[index])

    def choose(self, *path: str) -> None:
        """Open a menu and take an entry of it: its name, those of menus in between, the entry's."""
        entry = self.widget(named(MENU_ITEM, path[0]), f"a menu {path[0]}")
        for name in path[1:]:
            entry.click()
            entry = self.widget(entry_named(name), f"an entry {name}", entry.place)
        entry.click()
        self.wait_until(lambda: not entry.place.has(accessible.SHOWING), "the menu closing")

    def run_macro(self, name: str) -> None:
        """Take a macro from its menu."""
        self.choose("Macros", name)

    def answer(self, dialog: str, text: str = "") -> None:
        """Wait for a dialog, type a text and press Return in it, and wait until it is gone."""
        window = self._window(dialog)
        self.do("windowfocus", "--sync", window)
        time.sleep(0.5)
        if text:
            self.do("type", text)
        self.press("Return")
        self._wait_gone(window)

    def focus(self, name: str) -> None:
        """Give the keyboard to another window, once there is one of this name."""
        self.do("windowfocus", "--sync", self._window(name))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do("key", key)


class Handle:
    """A widget of a window, for mouse and keyboard."""

    def __init__(self, window: Window, place: Widget) -> None:
        self.window = window
        self.place = place

    @property
    def enabled(self) -> bool:
        return self.place.has(accessible.SENSITIVE)

    def reveal(self) -> tuple[int, int]:
        """Where its middle is, once its panel is scrolled to it."""
        for _ in range(100):
            x, y = self.place.middle
            left, top, _, bottom = self.place.frame()
            if top <= y < bottom:
                return x, y
            wheel = 5 if y >= bottom else 4
            self.window.do("mousemove", left + 4, (top + bottom) // 2, "click", wheel)
            time.sleep(0.1)
        self.window.keep("failed")
        raise AssertionError(f"{self.place.name} at {self.place.box} cannot be scrolled to, in {self.place.frame()}")

    def click(self, times: int = 1) -> None:
        self.window.do("mousemove", *self.reveal(), "click", "--repeat", times, 1)
        time.sleep(0.3)

    def tick(self) -> None:
        """Change the tick of a row, by its key: its box may be out of sight, left of a panel that scrolls."""
        self.click()
        self.window.press("space")

    def write(self, text: str) -> None:
        """Replace the text of a field."""
        self.click(times=3)
        self.window.do("type", text)
        self.window.press("Tab")

    def pick(self, choice: str) -> None:
        """Take an entry of a list that opens at a click."""
        self.click()
        self.window.do("type", choice)
        self.window.press("Return")

    def drag(self, right: int) -> None:
        """Move the handle of a slider by some pixels; it is where its value is."""
        _, y = self.reveal()
        left, _, end, _ = self.place.box
        self.window.do(
            "mousemove", round(left + self.place.share() * (end - left - HANDLE) + HANDLE / 2), y, "mousedown", 1
        )
        for _ in range(abs(right)):
            self.window.do("mousemove_relative", "--", int(np.sign(right)), 0)
        self.window.do("mouseup", 1)

    def pixels(self) -> np.ndarray:
        """(rows, columns, 3) uint8 what is seen of it."""
        left, top, right, bottom = self.place.box
        return self.window.look()[top:bottom, left:right]


@pytest.fixture
def gui(tmp_path):
    """A function that starts ParaView through `hyperinr paraview` with some arguments."""
    with windows(tmp_path) as start:
        yield start


@contextlib.contextmanager
def windows(folder: Path):
    """The same for a folder, until it is left."""
    settings = folder / ".config" / "ParaView"
    (settings / "Macros").mkdir(parents=True)
    for name in ("ParaView", f"ParaView{version()}"):  # without the version from 6.0 on
        (settings / f"{name}.ini").write_text("[General]\nGeneralSettings.ShowWelcomeDialog=false\n")
    for name in ("witness", "snapshot", "go_to_time"):
        (settings / "Macros" / f"{name}.py").write_text((SCRIPTS / f"{name}.py").read_text())
    opened = []

    def start(*arguments, apply=False):
        """`apply`: press Apply by itself, as the setting Auto Apply does."""
        (settings / "ParaView-UserSettings.json").write_text(
            json.dumps({"settings": {"GeneralSettings": {"AutoApply": int(apply)}}})
        )
        opened.append(Window(folder, [str(argument) for argument in arguments]))
        return opened[-1]

    try:
        yield start
    finally:
        for window in opened:
            window.close()


def entry_named(name: str):
    """Whether a widget is an entry of a menu; ParaView 6 writes HyperINR as Hyper INR."""
    return lambda widget: widget.role == MENU_ITEM and widget.name.replace(" ", "") == name.replace(" ", "")


def version() -> str:
    """ParaView's."""
    command = ["pvpython", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()[-1]


def framebuffer(path: Path) -> np.ndarray | None:
    """(rows, columns, 3) uint8 what Xvfb shows, from the .xwd file that it keeps; None before there is one."""
    data = path.read_bytes() if path.is_file() else b""
    if len(data) < 100:
        return None
    header = np.frombuffer(data, ">u4", 25)
    columns, rows, line = header[4], header[5], header[12]
    start = header[0] + 12 * header[19]
    if len(data) < start + rows * line:
        return None
    pixels = np.frombuffer(data, np.uint8, rows * line, start).reshape(rows, line)[:, : 4 * columns]
    return pixels.reshape(rows, columns, 4)[..., 2::-1]


def shows_something(pixels: np.ndarray) -> bool:
    """Whether a view holds a volume and not one colour: many colours on a good part of it."""
    pixels = pixels[::2, ::2]  # it is asked several times a second
    _, counts = np.unique(pixels.astype(np.int32) @ (1, 256, 65536), return_counts=True)
    return len(counts) > 100 and counts.max() < 0.97 * counts.sum()


def is_whole(state: Path) -> bool:
    """Whether a state file is there to its end, which ParaView writes bit by bit."""
    try:
        return state.is_file() and bool(ElementTree.parse(state))
    except ElementTree.ParseError:
        return False


def view_of(pixels: np.ndarray) -> np.ndarray:
    """The render view's part of the screen, where no toolbar, panel, legend or message is."""
    return pixels[230:450, 360:980]


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures of a volume show something else, and not only a little noise."""
    return abs(one.astype(float) - other).mean() > 0.1
