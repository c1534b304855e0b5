"""`hyperinr evaluate-views`: predicted pictures beside interpolated ones, at views that training did not see."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hyperinr.plugin.options import backend_option, json_option, model_argument, picture_option


@click.command(name="evaluate-views")
@model_argument
@click.argument("database", type=click.Path())
@json_option("Print one JSON object with every picture.")
@picture_option("--plot", "Scatter and density plots: .png, .svg, .pdf.")
@picture_option("--strip", "Pictures beside the true ones: .png.")
@backend_option
def evaluate_views(
    model: str, database: str, as_json: bool, plot: Path | None, strip: Path | None, backend: str
) -> None:
    """Compare MODEL to the pictures of DATABASE that it was not trained on.

    Beside it stand the training pictures interpolated by inverse distance. A one-sample t-test says whether the
    differences in PSNR could be chance; --plot draws them.
    """
    from hyperinr.filters.readers.cinema import open_pictures
    from hyperinr.plugin.figures import LABELS, draw_gains, draw_views, print_duel, say
    from hyperinr.plugin.progress import evaluation_progress
    from hyperinr_core.errors import ParameterError
    from hyperinr_core.hypernet import HyperINR
    from hyperinr_core.loading import load_any
    from hyperinr_core.measure.views import InterpolatedViews, held_out_and_trained, measure_views
    from hyperinr_core.radiance.model import RadianceModel

    network = load_any(model)
    if not isinstance(network, (HyperINR, RadianceModel)):
        raise ParameterError(f"{model} is no model of pictures; expected one made by `hyperinr train-views`")
    label = "radiance field" if isinstance(network, RadianceModel) else LABELS["model"]
    pictures = open_pictures(database, {parameter.name: parameter.role for parameter in network.parameters})
    held_out, training = held_out_and_trained(network, pictures, model)
    interpolate = InterpolatedViews(training)
    with evaluation_progress() as progress:
        report = measure_views(network, held_out, interpolate, backend, progress)
    report["model_bytes"] = Path(model).stat().st_size
    report["training_image_bytes"] = sum(file.stat().st_size for file in training.files)
    if plot:
        draw_gains(report, plot, label)
    if strip:
        draw_views(network, held_out, interpolate, backend, strip, label)
    if as_json:
        click.echo(json.dumps(report))
        return
    print_duel(report, "pictures", label)
    p = "" if report["p_value"] is None else f", p = {report['p_value']:.2g} (one-sample t-test)"
    name = label if label == LABELS["model"] else f"The {label}"
    say(
        f"{name} is nearer to the truth in {100 * report['wins']:.0f} % of the pictures, by {report['difference']:+.2f} dB "
        f"in the mean{p}."
    )
    say(
        f"The model has {report['model_bytes'] / 1e6:.1f} MB, the training pictures' files "
        f"{report['training_image_bytes'] / 1e6:.1f} MB."
    )
