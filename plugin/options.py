"""Arguments and options that several commands have, each with one name and one text, and what ends a training that is stopped."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.spaces.views import ViewSpace

if TYPE_CHECKING:
    from hyperinr_core.bounding import Promise
    from hyperinr_core.volume import VolumeSeries

logger = logging.getLogger("hyperinr")

#: What decorates a command.
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

model_argument = click.argument("model", type=click.Path(dir_okay=False))
series_argument = click.argument("series", nargs=-1, required=True)
backend_option = click.option("--backend", default="auto", show_default=True)
device_option = click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
interpolation_option = click.option(
    "--interpolation", default=next(iter(ViewSpace.kinds)), show_default=True, type=click.Choice(list(ViewSpace.kinds))
)
scalar_option = click.option("--field", help="Scalar that casts the shadow.  [default: the first]")
fields_option = click.option(
    "--field", "fields", multiple=True, help="Field to write; repeat for several.  [default: all]"
)


def applied(*decorators: Decorator) -> Decorator:
    """Decorators as one, in the order in which help is to name what they add."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def gathered(name: str, options: Sequence[Decorator], names: Sequence[str], into: Callable[..., Any]) -> Decorator:
    """Add options to a command, which gets their values as one argument: what `into` makes of them, by their names."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_one(**given: Any) -> Any:
            return command(**{name: into(**{each: given.pop(each) for each in names})}, **given)

        return applied(*options)(with_one)

    return decorate


def output_option(text: str, folder: bool = False) -> Decorator:
    """The path to write, which must be given; `folder` where it may be one that is there."""
    kind = click.Path(dir_okay=folder, path_type=Path)
    return click.option("-o", "--output", required=True, type=kind, help=text)


def picture_option(name: str, text: str) -> Decorator:
    """The file of a picture to draw besides."""
    return click.option(name, type=click.Path(dir_okay=False, path_type=Path), help=text)


def json_option(text: str) -> Decorator:
    """One JSON object in place of what people read."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def dims_option(text: str, least: int = 1, metavar: str | None = None) -> Decorator:
    """Three counts of points, at least so many each."""
    return click.option("--dims", nargs=3, type=click.IntRange(least), metavar=metavar, help=text)


def at_option(text: str) -> Decorator:
    """Values of parameters, which `parse_theta` reads."""
    return click.option("--at", "places", multiple=True, metavar="NAME=VALUE", help=text)


def parse_times(_: Any, __: Any, text: str | None) -> list[float] | None:
    """Numbers with commas between."""
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise ParameterError(f"--times is {text!r}; expected numbers with commas between, one for each step") from None


def promise_of(max_error: float | None, relative: bool) -> Callable[[VolumeSeries], Promise] | None:
    """What makes the promise that a model of a series is to keep at its training steps, None where nothing was asked for."""
    from hyperinr_core.bounding import Promise

    if max_error is None and relative:
        raise ParameterError("--relative is given without --max-error; expected both, the share of a field's range")
    return None if max_error is None else functools.partial(Promise, error=max_error, relative=relative)


#: What the training steps shall keep to.
PROMISE = (
    click.option(
        "--max-error",
        type=click.FloatRange(0, min_open=True),
        help="Store the training steps, too, so that none of their points is further from the data, in the field's units.",
    ),
    click.option("--relative", is_flag=True, help="The error is a share of each field's range."),
)

#: The options of every command that stores them, which gets them as `promise`.
promise_options = gathered("promise", PROMISE, ("max_error", "relative"), promise_of)


output_dims_option = dims_option("nx ny nz of the output.  [default: the training grid's]")

#: How to understand the files of a series, for `open_series`.
READING = (
    dims_option("nx ny nz of .raw data, or of the points that a mesh is resampled to."),
    click.option("--dtype", help="NumPy type of .raw data, such as uint8 or <f4."),
    click.option(
        "--axes",
        help="Letters of t, z, y, x and c for the axes of .npy, .npz, NetCDF, .nii, .nrrd or .tif, slowest first, such as tzyx.",
    ),
    click.option(
        "--duplicates",
        default="error",
        show_default=True,
        type=click.Choice(["last", "first", "error"]),
        help="Which of several steps at one time counts.",
    ),
    click.option(
        "--times", callback=parse_times, metavar="T,T,...", help="Times of the steps, over what the files say."
    ),
)


#: The options of every command that reads a series, which gets them as `reading`, for `open_steps`.
reading_options = gathered("reading", READING, ("dims", "dtype", "axes", "duplicates", "times"), dict)


def open_steps(series: tuple[str, ...], says: bool = True, **how: Any) -> VolumeSeries:
    """The VolumeSeries that SERIES names: one source, or the files of its steps; `how` as for `open_series`.

    Parameters
    ----------
    says : warn of what is to be heard of it; else that is left to the caller.
    """
    from hyperinr.filters.readers.series import open_series

    found = open_series(series[0] if len(series) == 1 else list(series), **how)
    for note in found.notes if says else ():
        logger.warning("%s", note)
    return found


def open_with_velocity(series: tuple[str, ...], fields: Sequence[str], velocity: str, **how: Any) -> VolumeSeries:
    """The series of the fields to learn, and of the data's velocity besides; `how` as for `open_series`."""
    from hyperinr_core.training.motion.velocity import named

    wanted = list(fields)
    if wanted and velocity == "auto":
        # what else there is may not be for one series, and then is not looked for
        with contextlib.suppress(DataError, ParameterError):
            wanted += named(open_steps(series, says=False, **how), velocity)
    elif wanted and velocity != "none":
        wanted += [name.strip() for name in velocity.split(",")]
    return open_steps(series, says=False, fields=list(dict.fromkeys(wanted)) or None, **how)


@contextlib.contextmanager
def interruptible(kept: str, speaks: bool = True) -> Iterator[None]:
    """Let Ctrl-C end the command with status 130 and say what is kept, and how to go on.

    Parameters
    ----------
    speaks : of several processes only one does.
    """
    from hyperinr_core.training.watch import Interrupted

    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        if speaks:
            click.echo(f"\nStopped. What is done is kept {kept}", err=True)
        sys.exit(130)
