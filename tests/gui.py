"""ParaView's window on a screen of its own: started as users start it, driven by mouse and keyboard, looked at.

Positions are those of ParaView 5.11 on Debian 12 in a window of 1280 x 1024. Pictures that a test keeps go to build/gui.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hyperinr.plugin import launch

SIZE = (1280, 1024)
KEPT = Path(__file__).resolve().parents[1] / "build" / "gui"
SCRIPTS = Path(__file__).parent / "paraview_scripts"

# What is where, in pixels from the upper left.
FILE, TOOLS, MACROS = (20, 10), (347, 10), (468, 10)
SAVE_STATE, SAVE_ANIMATION = (74, 137), (90, 290)
TRACE, FIRST_MACRO, ENTRY_HEIGHT = (389, 417), (494, 136), 22
PLAY, AUTO_APPLY, APPLY = (593, 42), (391, 42), (55, 517)
SLIDER, SECOND_FIELD, DIMS_X = (143, 726), (20, 877), (136, 948)


class Window:
    """A running ParaView.

    Attributes
    ----------
    folder : where its home, its messages and its screen are.
    witness : the macro after which `witnessed` has something to tell.
    """

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.witness = folder / ".config" / "ParaView" / "Macros" / "witness.py"
        self._screen = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-noreset", "-fbdir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        display = f":{self._screen.stdout.readline().decode().strip()}"
        self._environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder),
            "HYPERINR_WITNESS": str(folder / "witness.jsonl"),
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
        for process in (self.process, self._screen):
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._screen.stdout.close()

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
        window = self._window("ParaView 5")
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

    def click(self, place: tuple[int, int], times: int = 1) -> None:
        self.do("mousemove", *place, "click", "--repeat", times, 1)
        time.sleep(0.3)

    def choose(self, menu: tuple[int, int], entry: tuple[int, int]) -> None:
        """Open a menu and take an entry of it."""
        before = self._search("--class", "paraview")
        self.click(menu)
        self.wait_until(lambda: len(self._search("--class", "paraview")) > len(before), "a menu")
        popup = next(window for window in self._search("--class", "paraview") if window not in before)
        time.sleep(0.3)
        self.click(entry)
        self._wait_gone(popup)

    def run_macro(self, path: Path) -> None:
        """Take a macro from its menu, where ParaView sorts them by path."""
        folders = [path.parent, *map(Path, launch.environment()["PV_MACRO_PATH"].split(os.pathsep))]
        macros = sorted(str(macro) for folder in folders for macro in folder.glob("*.py"))
        x, y = FIRST_MACRO
        self.choose(MACROS, (x, y + ENTRY_HEIGHT * macros.index(str(path))))

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

    def write(self, place: tuple[int, int], text: str) -> None:
        """Replace the text of a field."""
        self.click(place, times=3)
        self.do("type", text)
        self.press("Tab")

    def drag(self, place: tuple[int, int], right: int) -> None:
        self.do("mousemove", *place, "mousedown", 1)
        for _ in range(abs(right)):
            self.do("mousemove_relative", "--", int(np.sign(right)), 0)
        self.do("mouseup", 1)


@pytest.fixture
def gui(tmp_path):
    """A function that starts ParaView through `hyperinr paraview` with some arguments."""
    settings = tmp_path / ".config" / "ParaView"
    (settings / "Macros").mkdir(parents=True)
    (settings / "ParaView5.11.0.ini").write_text("[General]\nGeneralSettings.ShowWelcomeDialog=false\n")
    (settings / "Macros" / "witness.py").write_text((SCRIPTS / "witness.py").read_text())
    windows = []

    def start(*arguments, apply=False):
        """`apply`: press Apply by itself, as the setting Auto Apply does."""
        (settings / "ParaView-UserSettings.json").write_text(
            json.dumps({"settings": {"GeneralSettings": {"AutoApply": int(apply)}}})
        )
        windows.append(Window(tmp_path, [str(argument) for argument in arguments]))
        return windows[-1]

    yield start
    for window in windows:
        window.close()


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
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return len(colours) > 100 and counts.max() < 0.97 * counts.sum()


def view_of(pixels: np.ndarray) -> np.ndarray:
    """The render view's part of the screen, where no toolbar, panel or legend is."""
    return pixels[260:680, 360:980]


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures of a volume show something else, and not only a little noise."""
    return abs(one.astype(float) - other).mean() > 0.1
