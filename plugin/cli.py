"""The `hyperinr` command. A command's module is imported when the command runs, so that help answers at once."""

from __future__ import annotations

import importlib
import io
import logging
import sys

import click

from hyperinr_core import __version__
from hyperinr_core.errors import HyperINRError

#: Heading -> command -> (module in `hyperinr.plugin.commands`, help line). The function is called like the command.
COMMANDS = {
    "Train": {
        "inspect": ("inspect", "Say what training would understand of files."),
        "train": ("train", "Train a model from a time series of volumes."),
        "train-shadow": ("train_shadow", "Train a model of a volume's shadows."),
        "train-views": ("train_views", "Train a model from pictures of many views."),
        "render-views": ("render_views", "Make such pictures of a volume with ParaView."),
        "join": ("join", "Make bricks that were trained apart one model."),
        "compress": ("compress", "Write a model in fewer bytes."),
        "stop": ("stop", "Stop a training that ParaView's Save Data started."),
    },
    "Look": {
        "paraview": ("paraview", "Start ParaView with the plugin loaded."),
        "view": ("view", "Show a model in the browser."),
        "render": ("render", "Render a picture, without a window."),
        "info": ("model", "Say what a model holds."),
        "sample": ("model", "Sample a model into a volume file."),
        "export": ("export", "Write volumes at many times for other programs."),
        "export-cinema": ("export", "Write predicted pictures as a Cinema database."),
    },
    "Measure": {
        "evaluate": ("evaluate", "Compare a model and interpolation to the true steps."),
        "evaluate-shadow": ("evaluate_shadow", "Compare a shadow model to the truth."),
        "evaluate-views": ("evaluate_views", "Compare predicted views to held-out ones."),
        "compare": ("compare", "Measure every method on steps that none was trained on."),
        "rate-distortion": ("rate_distortion", "Measure a model's size and error beside compressors'."),
        "bench": ("bench", "Measure this machine's speed against its limits."),
    },
    "Set up": {
        "demo": ("demo", "Simulate, train, measure and draw, to see what comes of it."),
        "doctor": ("doctor", "Say what is missing on this machine and how to mend it."),
        "env": ("paraview", "Print the shell lines that let ParaView find the plugin."),
    },
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, and listed under headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        for commands in COMMANDS.values():
            if name in commands:
                module = importlib.import_module(f"hyperinr.plugin.commands.{commands[name][0]}")
                return getattr(module, name.replace("-", "_"))
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                # padded, so that the lines of all sections begin in one column
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyperinr")
def hyperinr() -> None:
    """Turn a few time steps into one .hinr file that ParaView plays between its steps."""


def main() -> None:
    """Run the command; every error of ours is one sentence on standard error and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the console's code page lacks ends nothing
            stream.reconfigure(errors="backslashreplace")
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
