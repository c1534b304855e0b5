"""`hyperinr inspect`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from hyperinr.plugin.advice import advice_for, advice_on
from hyperinr.plugin.options import json_option, open_steps, reading_options, series_argument
from hyperinr.plugin.understanding import understood
from hyperinr_core.errors import HyperINRError


@click.command()
@series_argument
@click.option("--field", "fields", multiple=True, help="Field to look at; repeat for several.  [default: all]")
@json_option("Print one JSON object.")
@reading_options
def inspect(series: tuple[str, ...], fields: tuple[str, ...], as_json: bool, reading: dict[str, Any]) -> None:
    """Say what `train` would understand of SERIES, and train nothing.

    What cannot be trained on is told of with the reason, what may help, and exit status 1.
    """
    try:
        data = open_steps(series, says=False, fields=list(fields) or None, **reading)
        told = understood(data)
    except HyperINRError as error:
        _refuse(series, error, as_json)
    advice = advice_on(told)
    if as_json:
        click.echo(json.dumps({"usable": True, **told.to_json(), "advice": advice}, indent=2))
    else:
        click.echo("\n".join([*told.lines(), *(f"advice: {each}" for each in advice)]))


def _refuse(series: tuple[str, ...], error: HyperINRError, as_json: bool) -> None:
    advice = advice_for(series[0])
    if as_json:
        click.echo(json.dumps({"usable": False, "reason": str(error), "advice": advice}, indent=2))
    else:
        click.echo("\n".join([f"cannot be used: {error}", *(f"advice: {each}" for each in advice)]))
    sys.exit(1)
