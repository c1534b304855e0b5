"""The demo, small: the same path through simulation, command line and ParaView that `hyperinr demo` takes."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from models import random_model
from PIL import Image, ImageSequence

from hyperinr.plugin import launch
from hyperinr.plugin.commands import demo
from hyperinr_core import hinr
from hyperinr_core.errors import BackendError, HyperINRError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with everything the demo makes from 16^3 points and 11 steps."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo.slices, "draw", None)  # ParaView is here, and draws
        demo.run(folder, n=16, n_steps=11, samples=300_000, frame_dims=(20, 20, 20))
    return folder


def colours(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float64)


def test_the_strip_shows_five_different_volumes(made):
    names = ("truth", "model", "linear", "model_difference", "linear_difference")
    panels = [colours(made / "pictures" / f"{name}.png") for name in names]
    for panel in panels:
        assert panel.std() > 4  # a volume in the box, not the background alone
    for left in range(5):
        for right in range(left):
            assert abs(panels[left] - panels[right]).mean() > 0.1
    height, width, _ = colours(made / "strip.png").shape
    assert width > 3 * height


def test_the_animation_has_four_frames_to_a_training_gap_and_moves(made):
    with Image.open(made / "animation.gif") as animation:
        frames = [np.asarray(frame.convert("RGB"), np.float64) for frame in ImageSequence.Iterator(animation)]
        assert animation.info["loop"] == 0
    assert len(frames) == 4 * 2 + 1
    for before, after in zip(frames, frames[1:]):
        assert abs(after[:400] - before[:400]).mean() > 0.05  # above the label, which changes anyway


def test_the_last_picture_is_shaded(made):
    plain, shaded = colours(made / "pictures" / "model.png"), colours(made / "shadow.png")
    assert shaded.std() > 4 and 0.2 * plain.mean() < shaded.mean() < 0.95 * plain.mean()


def test_all_numbers_are_kept(made):
    report = json.loads((made / "evaluation.json").read_text())
    assert [step["trained"] for step in report["steps"]] == [step % 5 == 0 for step in range(11)]
    assert np.isfinite(report["held_out"]["model"]["psnr"])


def test_a_second_run_simulates_nothing_and_ends_with_the_command(made, capfd, monkeypatch):
    monkeypatch.setattr(demo.turbulence, "simulate", None)
    monkeypatch.setattr(demo, "draw", lambda job: None)
    demo.run(made, n=16, n_steps=11, samples=300_000)
    last = capfd.readouterr().out.strip().splitlines()[-1]
    *program, verb, model = last.split()
    assert (verb, model) == ("paraview", str(made / "turbulence.hinr"))
    assert "hyperinr" in subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout


def test_paraview_without_a_picture_is_an_error_with_its_last_words(tmp_path):
    job = {"folder": str(tmp_path), "frame_times": [0.0], "series": str(tmp_path / "missing.pvd")}
    with pytest.raises(HyperINRError, match=r"(?s)ParaView ended with status 1.*KeyError"):
        demo.render(launch.on_display([launch.find_program("pvpython")]), job)


def test_without_paraview_there_are_slices_and_a_picture_by_paths_of_light(made, tmp_path, monkeypatch, capfd):
    folder = tmp_path / "demo"
    shutil.copytree(made, folder)
    shutil.rmtree(folder / "pictures")

    def missing(name):
        raise BackendError(f"{name} is not on PATH")

    monkeypatch.setattr(launch, "find_program", missing)
    demo.run(folder, n=16, n_steps=11, samples=300_000, frame_dims=(20, 20, 20))
    said = capfd.readouterr().out
    assert "pvpython is not on PATH" in said and "--style cinematic" in said
    panels = {path.stem: colours(path) for path in (folder / "pictures").glob("*.png")}
    assert len(panels) == 5 + 9 + 1 and all(panel.std() > 4 for panel in panels.values())
    assert panels["truth"].shape == (480, 480, 3)
    squares = panels["truth"].reshape(16, 30, 16, 30, 3)
    assert (squares == squares[:, :1, :, :1]).all()  # a plane of the series, value for value
    for left, right in itertools.combinations(("truth", "model", "linear"), 2):
        assert abs(panels[left] - panels[right]).mean() > 0.1


def test_missing_packages_are_named_before_anything_is_simulated(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "NEEDED", ("json", "no_such_package"))
    with pytest.raises(
        BackendError, match=r"found no no_such_package; install them with pip install 'hyperinr\[demo\]'"
    ):
        demo.run(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_paraview_that_cannot_draw_costs_no_pictures(tmp_path, monkeypatch, capsys):
    drawn, job = [], {"folder": str(tmp_path), "frame_times": [0.0], "series": str(tmp_path / "missing.pvd")}
    hinr.save(random_model(), tmp_path / "m.hinr")
    monkeypatch.setattr(demo.slices, "draw", drawn.append)
    monkeypatch.setattr(demo, "hyperinr", lambda *words: drawn.append(words[0]))
    job |= {"model": str(tmp_path / "m.hinr"), "time": 0.5}
    demo.draw(job)
    assert drawn == [job, "render"] and "ParaView ended with status 1" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "folder"), [([], "demo"), (["-o", "elsewhere"], "elsewhere")])
def test_the_command_writes_where_it_is_told(monkeypatch, words, folder):
    asked = []
    monkeypatch.setattr(demo, "run", asked.append)
    result = CliRunner().invoke(demo.demo, words)
    assert result.exception is None and asked == [Path(folder)]
