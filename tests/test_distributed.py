"""Several processes train one model: the same gradients, the same loss, the same files as one with the same batch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from forked import TRAINING, Forks
from series import moving_blob
from view_models import balls_database

from hyperinr.plugin.cli import hyperinr
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.distributed import World
from hyperinr_core.training.samples import Batch

# Debian's PyTorch has no libuv, which torchrun's own store needs: they meet through a file.
MEET = ["--rdzv-backend=c10d", "--rdzv-conf=store_type=file"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", *MEET, "--nproc-per-node=2"]
CLI = [*TORCHRUN, "-m", "hyperinr.plugin.cli"]

# The same without a launcher, for forks.
NO_LIBUV = {"USE_LIBUV": "0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """The processes themselves meet without libuv, too."""
    for name, value in NO_LIBUV.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """A process to fork, which knows what trainings import late."""
    with Forks(tmp_path_factory.mktemp("said"), *TRAINING, "torch._dynamo") as forks:
        yield forks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A series, and settings that train in a moment."""
    folder = tmp_path_factory.mktemp("distributed")
    blob = moving_blob(n_steps=5)
    np.save(folder / "blob.npy", np.stack([blob.read(step, ["density"])[..., 0] for step in range(len(blob))]))
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "encoding": {"n_levels": 4, "n_features_per_level": 2, "log2_hashmap_size": 10},
                "network": {"n_neurons": 16},
                # an odd number of points: the processes' shares differ
                "training": {"samples": 600_000, "batch_steps": 2, "batch_points": 1001},
            }
        )
    )
    return folder


def pair() -> list[dict[str, str]]:
    """What torchrun would tell two processes of each other."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        meet = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1]), "TORCHELASTIC_RUN_ID": "pair"}
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", **meet, **NO_LIBUV}
    return [{"RANK": str(rank), "LOCAL_RANK": str(rank), **world} for rank in range(2)]


def alone(*words) -> str:
    """The output of a command in this process."""
    return CliRunner().invoke(hyperinr, [str(word) for word in words], catch_exceptions=False).output


def quality(path) -> float:
    return float(np.mean(hinr.load(path).quality["training_psnr_db"]["value"]))


def test_two_processes_reach_the_loss_of_one(folder):
    options = ["--config", folder / "settings.json", "--device", "cpu", "--teacher", "linear"]
    alone("train", folder / "blob.npy", "-o", folder / "one.hinr", *options)
    command = [*CLI, "train", folder / "blob.npy", "-o", folder / "two.hinr", *options]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    said = result.stdout
    one, two = hinr.load(folder / "one.hinr"), hinr.load(folder / "two.hinr")
    assert quality(folder / "one.hinr") > 25
    assert quality(folder / "two.hinr") == pytest.approx(quality(folder / "one.hinr"), abs=0.5)
    np.testing.assert_array_equal(one.encoder_positions, two.encoder_positions)
    assert one.provenance == two.provenance and one.interpolation == two.interpolation
    assert len(two.quality["teacher_psnr_db"]["value"]) == 16
    assert said.count("Look at it with") == said.count("training on 5") == 1, "only the first process speaks"
    assert sorted(path.name for path in folder.glob("t*")) == ["two.hinr"], "what the processes shared is gone"


GRADIENTS = """
import sys
import numpy as np
from pathlib import Path
from hyperinr_core.training.distributed import join, leave
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

sys.path.insert(0, sys.argv[2])
from series import moving_blob
from small import with_training

folder = Path(sys.argv[1])
world, series = join("cpu"), moving_blob()
config = with_training(batch_points=1001)
lesson = Volumes(series, ["density"]).learn(config, Context(folder / "teacher", "cpu", world, Tell()))
trainer = Trainer(lesson, "cpu", world)
if world.rank == 1:
    trainer._tables.zero_()  # what the first process has is what counts
trainer.share_state()
losses = []
for _ in range(3):
    losses.append(float(trainer.step()[1]))
kept = {name: tensor.numpy() for name, tensor in trainer._moments.items()}
np.savez(folder / f"{world.size}_{world.rank}.npz", losses=losses, mlp=trainer._mlp, tables=trainer._tables, **kept)
leave()
"""


def test_gradients_and_losses_are_those_of_the_whole_batch(forks, tmp_path):
    for variables in ([{}], pair()):
        result = forks.run([tmp_path, os.path.dirname(__file__)], GRADIENTS, variables=variables)
        assert result.returncode == 0, result.stderr
    one, first, second = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("1_0", "2_0", "2_1"))
    for name, expected in one.items():
        np.testing.assert_array_equal(first[name], second[name], err_msg=f"the processes drift apart in {name}")
        if name.endswith("_m"):  # Adam's mean of the gradients; the parameters themselves hide their size
            scale = abs(expected).max()
            assert scale > 0
            np.testing.assert_allclose(first[name] / scale, expected / scale, atol=1e-3, err_msg=name)
    np.testing.assert_allclose(first["losses"], one["losses"], rtol=1e-4)


def test_stopping_keeps_one_checkpoint_and_resume_goes_on(forks, folder):
    settings = json.loads((folder / "settings.json").read_text())
    settings["training"]["samples"] = 1_200_000
    (folder / "long.json").write_text(json.dumps(settings))
    arguments = [folder / "blob.npy", "-o", folder / "cut.hinr", "--config", folder / "long.json", "--teacher", "none"]
    words = [str(word) for word in ("train", *arguments, "--device", "cpu", "--progress", "json")]
    with subprocess.Popen([*CLI, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        for line in process.stderr:
            if '"training"' in line:
                break
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(60) != 0
    assert sorted(path.name for path in folder.glob("cut*")) == ["cut.hinr.checkpoint"]
    result = forks.run([*words, "--resume"], variables=pair())
    assert result.returncode == 0, result.stderr
    first = next(json.loads(line) for line in result.stderr.splitlines() if '"training"' in line)
    assert first["share"] > 0.01
    assert sorted(path.name for path in folder.glob("cut*")) == ["cut.hinr"]


@pytest.mark.parametrize("teacher", ["exact", "coordnet"])
def test_two_processes_learn_shadows_as_one_does(forks, folder, teacher):
    settings = {"training": {"samples": 60_000, "batch_points": 1001}, "encoding": {"log2_hashmap_size": 8}}
    if teacher == "coordnet":
        settings["distillation"] = {"teacher_samples": 8000}
    check_both(forks, folder, settings, "train-shadow", folder / "blob.npy", "--lights", 4, "--encoders", 6,
               "--guide", 8, "--opacity", "0:0,10:0.3", "--teacher", teacher)  # fmt: skip


@pytest.mark.parametrize("teacher", ["none", "radiance"])
def test_two_processes_learn_views_as_one_does(forks, folder, teacher):
    if not (folder / "b.cdb").exists():
        balls_database(folder / "b.cdb", [(60.0 * i, 30.0 * j) for i in range(6) for j in (-1, 1)], size=16)
    settings = {"training": {"samples": 60_000, "batch_points": 401}}
    check_both(forks, folder, settings, "train-views", folder / "b.cdb", "--encoders", 12, "--teacher", teacher,
               "--teacher-steps", 4, "--teacher-views", 8)  # fmt: skip


def test_two_processes_carry_along_the_motion_that_one_finds(forks, folder):
    settings = json.loads((folder / "settings.json").read_text())
    settings["training"]["samples"] = 60_000
    one, two = check_both(forks, folder, settings, "train", folder / "blob.npy", "--carry", "always")
    np.testing.assert_array_equal(one.motion.paths, two.motion.paths)
    np.testing.assert_array_equal(one.motion.trust, two.motion.trust)


def check_both(forks, folder, settings, *command):
    """Train in one process and in two, and compare what became of it, which is returned."""
    (folder / "both.json").write_text(json.dumps(settings))
    models = []
    for name, variables in (("one", [{}]), ("two", pair())):
        options = ["-o", folder / f"{name}_.hinr", "--config", folder / "both.json", "--device", "cpu"]
        result = forks.run([*command, *options], variables=variables)
        assert result.returncode == 0, result.stderr
        said = result.stdout
        assert said.count("dB PSNR on the training") == 1, "only the first process speaks"
        models.append(hinr.load(folder / f"{name}_.hinr"))
    one, two = models
    assert one.provenance == two.provenance and not list(folder.glob("*_.hinr.*")), "what they shared is gone"
    for first, second in zip(one.quality["training_psnr_db"].values(), two.quality["training_psnr_db"].values()):
        assert np.mean(first) == pytest.approx(np.mean(second), abs=0.5)
    return one, two


def test_shares_are_the_batch_and_a_process_without_points_is_an_error():
    batch = Batch(np.zeros((2, 1)), np.random.rand(2, 7, 3), np.random.rand(2, 7, 1), np.ones(2))
    parts = [World(rank, 3).share(batch) for rank in range(3)]
    assert [part.points.shape[1] for part in parts] == [3, 2, 2]
    together = np.concatenate([part.targets.reshape(2, -1) for part in parts], axis=1)
    np.testing.assert_array_equal(np.sort(together), np.sort(batch.targets[..., 0]))
    with pytest.raises(ParameterError, match="batch_points is 7 for 8 processes"):
        World(0, 8).share(batch)
