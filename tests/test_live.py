"""Who asks the source whether things have come to rest: the window that has it in its process, and nobody over a network."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from gui import gui, shows_something, view_of
from models import random_model
from servers import pvserver
from slow_link import SlowLink

from hyperinr.plugin import launch
from hyperinr_core import hinr

__all__ = ["gui"]  # the fixture

#: Seconds without a question after which a window counts as idle, and those that it is then watched.
QUIET, WATCHED = 3, 6


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "volume.hinr"
    hinr.save(random_model((9, 8, 7)), path)
    return path


@pytest.mark.parametrize("n_ranks", [1, 2])
def test_an_idle_window_asks_a_server_nothing(gui, model, n_ranks):
    with pvserver(n_ranks) as port, closing(SlowLink(port)) as link:
        window = gui(f"--server-url=cs://localhost:{link.port}", "--data", model, apply=True)
        window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")
        link.delay = 0.12
        for _ in range(8):  # what a new picture brings with it is still on its way
            asked = link.asked
            time.sleep(QUIET)
            if link.asked == asked:
                break
        window.keep(f"remote{n_ranks}")
        time.sleep(WATCHED)
        assert link.asked == asked, "requests while idle"
        window.close()


def test_a_session_in_this_process_gets_the_hint_once(model):
    script = f"""
from paraview import simple
for _ in range(2):
    hints = simple.OpenDataFile({str(model)!r}).SMProxy.GetHints()
    names = [hints.GetNestedElement(index).GetName() for index in range(hints.GetNumberOfNestedElements())]
    print(names.count("LiveSource"), hints.FindNestedElementByName("LiveSource").GetAttribute("interval"))
"""
    result = launch.run_program(["pvpython", "-c", script], 120)
    assert result.stdout.split() == ["1", "50"] * 2, result.stderr
