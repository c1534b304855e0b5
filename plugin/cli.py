"""The `hyperinr` command. A command's module is imported when the command runs, so that help answers at once."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from hyperinr_core import __version__
from hyperinr_core.errors import HyperINRError

#: command -> (module, attribute, help line)
COMMANDS = {
    "train": ("hyperinr.plugin.commands.train", "train", "Train a model from a time series of volumes."),
    "stop": ("hyperinr.plugin.commands.stop", "stop", "Stop a training that ParaView's Save Data started."),
    "info": ("hyperinr.plugin.commands.model", "info", "Say what a model holds."),
    "compress": ("hyperinr.plugin.commands.compress", "compress", "Write a model in fewer bytes."),
    "rate-distortion": (
        "hyperinr.plugin.commands.rate_distortion",
        "rate_distortion",
        "Measure a model's size and error beside compressors'.",
    ),
    "sample": ("hyperinr.plugin.commands.model", "sample", "Sample a model into a volume file."),
    "evaluate": (
        "hyperinr.plugin.commands.evaluate",
        "evaluate",
        "Compare a model and interpolation to the true steps.",
    ),
    "compare": (
        "hyperinr.plugin.commands.compare",
        "compare",
        "Measure every method on steps that none was trained on.",
    ),
    "train-shadow": ("hyperinr.plugin.commands.train_shadow", "train_shadow", "Train a model of a volume's shadows."),
    "evaluate-shadow": (
        "hyperinr.plugin.commands.evaluate_shadow",
        "evaluate_shadow",
        "Compare a shadow model to the truth.",
    ),
    "train-views": (
        "hyperinr.plugin.commands.train_views",
        "train_views",
        "Train a model from pictures of many views.",
    ),
    "evaluate-views": (
        "hyperinr.plugin.commands.evaluate_views",
        "evaluate_views",
        "Compare predicted views to held-out ones.",
    ),
    "render-views": (
        "hyperinr.plugin.commands.render_views",
        "render_views",
        "Make such pictures of a volume with ParaView.",
    ),
    "view": ("hyperinr.plugin.commands.view", "view", "Show a model in the browser."),
    "export": ("hyperinr.plugin.commands.export", "export", "Write volumes at many times for other programs."),
    "export-cinema": (
        "hyperinr.plugin.commands.export",
        "export_cinema",
        "Write predicted pictures as a Cinema database.",
    ),
    "render": ("hyperinr.plugin.commands.paraview", "render", "Render a picture through ParaView, without a window."),
    "paraview": ("hyperinr.plugin.commands.paraview", "paraview", "Start ParaView with the plugin loaded."),
    "env": ("hyperinr.plugin.commands.paraview", "env", "Print the shell lines that let ParaView find the plugin."),
    "doctor": ("hyperinr.plugin.commands.doctor", "doctor", "Say what is missing on this machine and how to mend it."),
    "bench": ("hyperinr.plugin.commands.bench", "bench", "Measure this machine's speed against its limits."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyperinr")
def hyperinr() -> None:
    """Turn a few time steps into one .hinr file that ParaView plays between its steps."""


def main() -> None:
    """Run the command; every error of ours is one sentence on standard error and exit status 1."""
    logging.basicConfig(format="hyperinr: %(message)s", level=logging.INFO)
    try:
        hyperinr(standalone_mode=False)
    except HyperINRError as error:
        sys.exit(f"hyperinr: error: {error}")
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MemoryError:
        sys.exit(
            "hyperinr: error: the memory of this machine does not suffice; ask for smaller dims or a smaller memory_mb"
        )
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
