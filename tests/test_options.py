"""Options that commands share, and a training that is stopped."""

from __future__ import annotations

import importlib

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hyperinr.plugin.cli import COMMANDS, hyperinr
from hyperinr.plugin.options import applied, interruptible, open_steps, resumable, training_options
from hyperinr_core.training.trainer import Interrupted


def test_options_keep_their_order_in_help():
    @click.command()
    @applied(click.option("--first"), click.option("--second"))
    @click.option("--third")
    def command(**options):
        pass

    assert [option.opts[0] for option in command.params] == ["--first", "--second", "--third"]


def test_every_training_hears_the_same():
    heard = {"--preset", "--config", "--device", "--seed", "--resume"}
    for name in ("train", "train-shadow", "train-views"):
        options = {option.opts[0] for option in hyperinr.get_command(None, name).params}
        assert heard <= options, name


def test_the_seed_of_a_training_says_what_it_is_for():
    @click.command()
    @training_options(seed="Equal seeds do the same.")
    def command(**options):
        pass

    assert "Equal seeds do the same.  [default: 0]" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize("stop", [Interrupted, KeyboardInterrupt])
def test_a_stopped_command_says_what_is_kept_and_ends_with_130(tmp_path, capsys, stop):
    with pytest.raises(SystemExit) as ended, resumable(tmp_path / "m.hinr"):
        raise stop
    expected = f"\nStopped. What is done is kept beside {tmp_path / 'm.hinr'}; repeat the command with --resume.\n"
    assert (ended.value.code, capsys.readouterr().err) == (130, expected)


def test_one_of_several_processes_speaks(capsys):
    with pytest.raises(SystemExit), interruptible("here.", speaks=False):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), interruptible("here."):
        raise ZeroDivisionError


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
