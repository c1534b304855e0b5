"""`hyperinr evaluate-shadow`: a shadow model beside interpolation of its training lights' volumes, on lights it never saw."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hyperinr.plugin.options import backend_option, json_option, model_argument, picture_option, scalar_option


@click.command(name="evaluate-shadow")
@model_argument
@click.argument("volume", type=click.Path(dir_okay=False))
@scalar_option
@click.option("--lights", default=115, show_default=True, type=click.IntRange(1), help="Held-out lights.")
@click.option("--seed", default=1000, show_default=True, type=click.IntRange(0), help="Which held-out lights.")
@json_option("Print one JSON object with every light.")
@picture_option("--strip", "Draw the light going round: .png, .svg, .pdf.")
@backend_option
def evaluate_shadow(
    model: str,
    volume: str,
    field: str | None,
    lights: int,
    seed: int,
    as_json: bool,
    strip: Path | None,
    backend: str,
) -> None:
    """Compare MODEL to the true shadows of VOLUME for lights that it was not trained on.

    Beside it stands interpolation of the training lights' shadow volumes by inverse distance on the sphere, with the
    weights that the paper blends encoders with.
    """
    from hyperinr.plugin.commands.train_shadow import read_volume
    from hyperinr.plugin.figures import draw_lights, print_duel, say
    from hyperinr.plugin.progress import evaluation_progress
    from hyperinr_core import hinr
    from hyperinr_core.light.lights import poisson_lights
    from hyperinr_core.measure.shadows import InterpolatedLights, measure_lights, truth_for

    network = hinr.load_one(model)
    values, _, _ = read_volume(volume, field, network.grid.dims)
    truth, function = truth_for(network, values, model)
    interpolate = InterpolatedLights(network, truth)
    with evaluation_progress() as progress:
        report = measure_lights(network, truth, interpolate, poisson_lights(lights, seed), backend, progress)
    if strip:
        draw_lights(network, truth, interpolate, values, function, backend, strip)
    if as_json:
        click.echo(json.dumps(report))
        return
    print_duel(report, "lights")
    say(f"HyperINR is nearer to the truth on {100 * report['wins']:.0f} % of the lights.")
