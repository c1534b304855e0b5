"""Programs that are killed, disks that are full, writers that meet: a name holds the old file or the new one, never half."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from forked import COMMAND, TRAINING, Forks
from models import random_model
from view_models import balls_database

from hyperinr.filters.image import to_image, write_image, write_pvd
from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import DataError
from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.volume import Grid

HERE = Path(__file__).parent
OLD = b"what was there before"
SMALL = {
    "encoding": {"n_levels": 3, "log2_hashmap_size": 8},
    "training": {"samples": 200_000, "batch_points": 1000},
    "encoders": {"poisson": 1.0, "count": 6},
}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A few steps of a small volume as .npy, and as .pvd."""
    folder = tmp_path_factory.mktemp("series")
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 12)] * 3, indexing="ij")
    steps = np.stack([np.exp(-6 * ((x - t) ** 2 + y**2 + z**2)) for t in np.linspace(-0.5, 0.5, 5)]).astype(np.float32)
    np.save(folder / "series.npy", steps)
    listed = []
    for number, step in enumerate(steps):
        write_image(folder / f"step{number}.vti", to_image(Grid((12, 12, 12)), {"density": step}))
        listed.append((float(number), f"step{number}.vti"))
    write_pvd(folder / "series.pvd", listed)
    np.save(folder / "volume.npy", steps[2])
    balls_database(folder / "balls.cdb", poisson_lights(12, 0) * [1, -1] + [0, 90], size=16)
    return folder


#: A checkpoint after every step.
CODE = f"from hyperinr_core.training import watch; watch.CHECKPOINT_SECONDS = 0.0; {COMMAND}"


@pytest.fixture(scope="module")
def hyperinr(tmp_path_factory):
    """A function that runs `hyperinr`, kills it after so many seconds, and returns its exit status and what was said."""
    with Forks(tmp_path_factory.mktemp("said"), *TRAINING, "torch._dynamo") as forks:

        def run(words, kill_after=600):
            result = forks.run(words, CODE, kill_after=kill_after)
            return result.returncode, result.stdout + result.stderr

        yield run


def run(command, kill_after=None, environment=None):
    """Exit status and what was said; negative when the process and its children were killed after so many seconds."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=kill_after or 600)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return -signal.SIGKILL, process.communicate()[0]


def commands(series, config):
    """What is trained, by name."""
    common = ["--config", str(config), "--seed", "3", "-o"]
    shadow = ["--transfer-function", "Grayscale", "--encoders", "6", "--lights", "5", "--guide", "8"]
    views = ["--teacher", "radiance", "--teacher-steps", "4", "--teacher-views", "8", "--encoders", "8"]
    return {
        "train": ["train", series / "series.npy", *common],
        "train-shadow": ["train-shadow", series / "volume.npy", *shadow, *common],
        "train-views": ["train-views", series / "balls.cdb", *views, *common],
    }


@pytest.mark.parametrize(("what", "few", "many"), [("train", 6, 100), ("train-shadow", 2, 20), ("train-views", 2, 20)])
def test_a_killed_training_ends_with_the_same_bytes(hyperinr, series, tmp_path, amount, figures, what, few, many):
    config = tmp_path / "small.json"
    settings = dict(SMALL) if what == "train" else {key: SMALL[key] for key in ("encoding", "training")}
    config.write_text(json.dumps(settings))
    command = commands(series, config)[what]
    begin = time.monotonic()
    status, said = hyperinr([*command, tmp_path / "whole.hinr"])
    lasts = time.monotonic() - begin
    assert status == 0, said
    whole = (tmp_path / "whole.hinr").read_bytes()
    rng, kills, resumed, ends = np.random.default_rng(5), 0, 0, 0
    output = tmp_path / "cut.hinr"
    while kills < amount(few, many):
        output.write_bytes(OLD)
        status = -1
        while status:
            moment = 600 if kills >= amount(few, many) else float(rng.uniform(0.3, 1.0)) * lasts
            status, said = hyperinr([*command, output, "--resume"], moment)
            assert status in (0, -signal.SIGKILL), said
            assert output.read_bytes() in (OLD, whole), f"half a model after {kills} kills"
            kills += status != 0
            lasts *= 1 if status else 0.8  # the first one may have been slow, so that none would be killed for ever
            resumed += status != 0 and checkpoint_path(output).is_file()
        ends += 1
        assert output.read_bytes() == whole
    left = [
        name for name in os.listdir(tmp_path) if not name.startswith(".")
    ]  # temporary files of those that were killed
    assert sorted(left) == ["cut.hinr", "small.json", "whole.hinr"]
    figures(
        f"{kills} kills of `{what}`, at random",
        f"{resumed} left a checkpoint to go on from; {ends} runs came to their end, each with the bytes of the unbroken one",
    )


@pytest.mark.parametrize("bounded", [False, True])
def test_a_killed_compress_leaves_the_old_model_or_the_new_one(hyperinr, tmp_path, amount, figures, bounded):
    encoding = EncodingConfig(n_levels=6, log2_hashmap_size=12)
    model = random_model((24, 24, 24), n_encoders=6, encoding=encoding)
    hinr.save(model, tmp_path / "m.hinr")
    command = ["compress", tmp_path / "m.hinr", "--target-psnr", "40", "-o"]
    if bounded:
        np.save(
            tmp_path / "s.npy", np.stack([model.generate(t).sample_grid()[..., 0] for t in model.parameters[0].values])
        )
        command[2:2] = [tmp_path / "s.npy", "--max-error", "0.01", "--times", "0,0.4,0.8,1.2,1.6,2"]
    begin = time.monotonic()
    status, said = hyperinr([*command, tmp_path / "whole.hinr"])
    lasts = time.monotonic() - begin
    assert status == 0, said
    whole, output = (tmp_path / "whole.hinr").read_bytes(), tmp_path / "cut.hinr"
    rng, kills, done = np.random.default_rng(8), amount(3, 30), 0
    for _ in range(kills):
        output.write_bytes(OLD)
        hyperinr([*command, output], float(rng.uniform(0.3, 1.0)) * lasts)
        assert output.read_bytes() in (OLD, whole)
        done += output.read_bytes() == whole
    what = "compress --max-error" if bounded else "compress"
    figures(f"{kills} kills of `{what}`, at random", f"{kills - done} left the old model, {done} were too late")


def test_a_killed_export_leaves_whole_files(hyperinr, tmp_path, amount, figures):
    hinr.save(random_model((24, 24, 24)), tmp_path / "m.hinr")
    command = ["export", tmp_path / "m.hinr", "--times", "0:2:0.05", "-o"]
    (tmp_path / "whole").mkdir()
    begin = time.monotonic()
    status, said = hyperinr([*command, tmp_path / "whole" / "e.pvd"])
    lasts = time.monotonic() - begin
    assert status == 0, said
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole" / "e").iterdir()}
    rng, kills, done = np.random.default_rng(6), amount(4, 50), 0
    for number in range(kills):
        folder = tmp_path / f"cut{number}"
        folder.mkdir()
        hyperinr([*command, folder / "e.pvd"], float(rng.uniform(0.3, 1.0)) * lasts)
        seen = [path for path in folder.iterdir() if not path.name.startswith(".")]
        assert {path.name for path in seen} <= {"e", "e.pvd"}
        if (folder / "e").exists():
            assert {path.name: path.read_bytes() for path in (folder / "e").iterdir()} == whole
            done += 1
        assert not (folder / "e.pvd").exists() or (folder / "e").exists()
    figures(
        f"{kills} kills of `export`, at random",
        f"{kills - done} left nothing under the final name, {done} whole volumes",
    )


SAVE = """
import sys
from paraview import simple
source = simple.OpenDataFile(sys.argv[1])
source.UpdatePipeline()
simple.SaveData(sys.argv[2], source, Samples=50000, Teacher="none", Preset="fast")
"""


def test_killed_in_the_middle_of_writing_paraview_leaves_the_old_model(series, tmp_path, amount, figures):
    (tmp_path / "save.py").write_text(SAVE)
    output = tmp_path / "m.hinr"
    command = [launch.find_program("pvpython"), tmp_path / "save.py", series / "series.pvd", output]
    begin = time.monotonic()
    status, said = run(command, environment=launch.environment())
    lasts = time.monotonic() - begin
    assert status == 0 and output.is_file(), said
    hinr.load(output)
    rng, kills, ends = np.random.default_rng(7), amount(2, 20), 0
    for _ in range(kills):
        output.write_bytes(OLD)
        run(command, float(rng.uniform(0.3, 1.0)) * lasts, launch.environment())
        if output.read_bytes() != OLD:
            hinr.load(output)
            ends += 1
    wait_until_nobody_works(tmp_path)
    assert output.read_bytes() == OLD or hinr.load(output)
    figures(f"{kills} kills of pvpython while it writes", f"{kills - ends} left the old model, {ends} were too late")


def wait_until_nobody_works(folder):
    """The training that a killed ParaView had begun ends by itself, as nobody reads what it says."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not any(str(folder).encode() in line for line in command_lines()):
            return
        time.sleep(0.2)
    raise AssertionError("a training goes on although its ParaView is gone")


def command_lines():
    """Of the processes that there are."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it may just have ended
            yield path.read_bytes()


def test_a_full_disk_is_one_sentence_and_the_old_model_stays(tmp_path):
    model = random_model((8, 8, 8))
    hinr.save(model, tmp_path / "m.hinr")
    before, size = (tmp_path / "m.hinr").read_bytes(), os.path.getsize(tmp_path / "m.hinr")
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
        with pytest.raises(DataError, match=r"m\.hinr cannot be written .*nothing was changed"):
            hinr.save(random_model((8, 8, 8), seed=9), tmp_path / "m.hinr")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "m.hinr").read_bytes() == before and os.listdir(tmp_path) == ["m.hinr"]


def test_a_model_that_is_replaced_or_cut_while_open_goes_on(tmp_path):
    path = tmp_path / "m.hinr"
    hinr.save(random_model((8, 8, 8)), path)
    model = hinr.load(path)
    expected = model.generate(0.7).sample_grid()
    hinr.save(random_model((8, 8, 8), seed=4), path)
    np.testing.assert_array_equal(hinr.load(path).generate(0.7).sample_grid() == expected, False)
    with open(path, "r+b") as file:
        file.truncate(100)
    path.unlink()
    np.testing.assert_array_equal(model.generate(0.7).sample_grid(), expected)


def test_two_writers_of_one_name_leave_one_whole_model(tmp_path):
    path = tmp_path / "m.hinr"
    write = (
        "import sys\nsys.path.insert(0, sys.argv[3])\nfrom models import random_model\nfrom hyperinr_core import hinr\n"
        "model = random_model((8, 8, 8), seed=int(sys.argv[2]))\nfor _ in range(60): hinr.save(model, sys.argv[1])\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", write, str(path), str(seed), str(HERE)], stderr=subprocess.PIPE, text=True
        )
        for seed in (1, 2)
    ]
    models = [random_model((8, 8, 8), seed=seed).mlp_params for seed in (1, 2)]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            found = hinr.load(path).mlp_params
            assert any(np.array_equal(found, model) for model in models)
    for writer in writers:
        assert writer.communicate()[1] == "" and writer.returncode == 0
    assert os.listdir(tmp_path) == ["m.hinr"]
