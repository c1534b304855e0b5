"""Options that commands share, and a training that is stopped."""

from __future__ import annotations

import importlib

import click
import numpy as np
import pytest

from hyperinr.plugin.cli import COMMANDS, hyperinr
from hyperinr.plugin.options import applied, interruptible, open_steps, reading_options
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.watch import Interrupted


def test_options_keep_their_order_in_help():
    @click.command()
    @applied(click.option("--first"), click.option("--second"))
    @click.option("--third")
    def command(**options):
        pass

    assert [option.opts[0] for option in command.params] == ["--first", "--second", "--third"]


def test_every_training_hears_the_same():
    heard = {"--preset", "--config", "--sparsity", "--init-from", "--device", "--seed", "--resume", "--progress"}
    for name in ("train", "train-shadow", "train-views"):
        options = {option.opts[0] for option in hyperinr.get_command(None, name).params}
        assert heard <= options, name


@pytest.mark.parametrize("stop", [Interrupted, KeyboardInterrupt])
def test_a_stopped_command_says_what_is_kept_and_ends_with_130(capsys, stop):
    with pytest.raises(SystemExit) as ended, interruptible("beside m.hinr; go on."):
        raise stop
    assert ended.value.code == 130
    assert capsys.readouterr().err == "\nStopped. What is done is kept beside m.hinr; go on.\n"


def test_one_of_several_processes_speaks(capsys):
    with pytest.raises(SystemExit), interruptible("here.", speaks=False):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), interruptible("here."):
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["train", "evaluate", "compare"])
def test_every_reader_of_a_series_hears_the_same(name):
    options = {option.opts[0] for option in hyperinr.get_command(None, name).params}
    assert {"--dims", "--dtype", "--axes", "--duplicates", "--times"} <= options


def test_how_to_read_arrives_together(tmp_path):
    got = {}

    @click.command()
    @reading_options
    def command(reading):
        got.update(reading)

    for number in range(3):
        np.savez(tmp_path / f"{number}.npz", v=np.full((4, 5, 6), number, np.float32), time=0.0)
    command.main(["--duplicates", "last"], standalone_mode=False)
    series = open_steps((str(tmp_path),), **got)
    assert (len(series), series.read(0, ["v"])[0, 0, 0, 0]) == (1, 2)
    command.main(["--times", "0, 0.5,1e3"], standalone_mode=False)
    assert open_steps((str(tmp_path),), **got).thetas[:, 0].tolist() == [0, 0.5, 1000]
    with pytest.raises(ParameterError, match="--times is 'noon'"):
        command.main(["--times", "noon"], standalone_mode=False)


def test_series_is_one_source_or_the_files_of_its_steps(tmp_path):
    paths = [str(tmp_path / f"{number}.npy") for number in range(3)]
    for number, path in enumerate(paths):
        np.save(path, np.full((4, 5, 6), number, np.float32))
    np.save(tmp_path / "all.npy", np.zeros((7, 4, 5, 6), np.float32))
    several, one = open_steps(tuple(paths)), open_steps((str(tmp_path / "all.npy"),))
    assert (len(several), several.source) == (3, f"{paths[0]} to {paths[2]}")
    assert (len(one), one.source) == (7, str(tmp_path / "all.npy"))


def test_every_command_of_the_table_is_there():
    for commands in COMMANDS.values():
        for name, (module, _) in commands.items():
            command = getattr(importlib.import_module(f"hyperinr.plugin.commands.{module}"), name.replace("-", "_"))
            assert isinstance(command, click.Command) and command.name == name
