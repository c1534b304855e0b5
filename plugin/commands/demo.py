"""`hyperinr demo`: the whole path once. Simulate turbulence, train on every fifth step, measure, and look at it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

from hyperinr.filters.image import write_pvd
from hyperinr.filters.readers.series import open_series
from hyperinr.plugin import launch
from hyperinr.plugin.demo import slices, turbulence
from hyperinr.plugin.figures import print_series
from hyperinr_core import hinr
from hyperinr_core.errors import BackendError, HyperINRError
from hyperinr_core.measure.series import METHODS
from hyperinr_core.pictures.look import look_between, looks_of
from hyperinr_core.spaces.line import linear_weights

FIELD = "vorticity"
EVERY = 5
FRAMES_PER_GAP = 4
#: Seconds after which drawing has hung rather than being slow.
RENDER_TIMEOUT = 900.0

#: What is imported on the way, beside what viewing needs.
NEEDED = ("torch", "vtkmodules", "matplotlib", "PIL")


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="demo", show_default=True, help="Folder to write."
)
def demo(output: Path) -> None:
    """Simulate turbulence, train on every fifth step, measure the others, and draw them: minutes on two cores.

    ParaView draws, where it is found; else there are slices and a picture by paths of light.
    """
    run(output)


def run(
    folder: Path,
    n: int = 64,
    n_steps: int = 101,
    samples: int | None = None,
    frame_dims: tuple[int, int, int] = (96, 96, 96),
) -> None:
    """Make everything in a folder; what is simulated already is not simulated again.

    Parameters
    ----------
    n, n_steps : size of the simulation.
    samples : points to train on; the default preset's when None.
    frame_dims : points at which the model is sampled for the animation.
    """
    begin = time.monotonic()
    check_packages()
    headline(f"1/4  Simulating forced turbulence, {n}^3 points, {n_steps} steps")
    series = turbulence.write_series(folder / "turbulence", "forced", n, n_steps)
    training_series = series.with_name("training.pvd")
    write_training_series(series, training_series)

    headline(f"2/4  Training on every {EVERY}th step")
    model = folder / "turbulence.hinr"
    changes: list[str | Path] = []
    if samples:
        settings = folder / "settings.json"
        settings.write_text(json.dumps({"training": {"samples": samples}}), encoding="utf-8")
        changes = ["--config", settings]
    hyperinr("train", series, "-o", model, "--field", FIELD, "--every", str(EVERY), "--resume", *changes)

    headline("3/4  Measuring the steps that training did not see")
    plot = folder / "psnr.png"
    printed = hyperinr("evaluate", model, series, "--field", FIELD, "--json", "--plot", plot, capture=True)
    (folder / "evaluation.json").write_text(printed, encoding="utf-8")
    report = json.loads(printed)
    print_series({FIELD: report}, n_outside=0)

    job = picture_job(folder, model, series, training_series, report, frame_dims)
    draw(job)
    draw_strip(folder / "strip.png", job, report)
    draw_animation(folder / "animation.gif", job, report)
    shutil.copyfile(Path(job["folder"]) / "shadow.png", folder / "shadow.png")
    say_where(folder, time.monotonic() - begin)


def check_packages() -> None:
    """Raise BackendError that names what is not installed, before minutes are spent."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(
            f"the demo needs {', '.join(NEEDED)} and found no {', '.join(missing)}; "
            "install them with pip install 'hyperinr[demo]'"
        )


def headline(text: str) -> None:
    """Say what comes next."""
    print(f"\n{text}", flush=True)


def hyperinr(*arguments: object, capture: bool = False) -> str:
    """Run the command as a user would, its progress bar included; end the demo where it fails."""
    command = [*own_program(), *map(str, arguments)]
    print("$", *map(shown, command), flush=True)
    result = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "utf-8"} if capture else None,
        stdout=subprocess.PIPE if capture else None, encoding="utf-8", check=False,
    )  # fmt: skip
    if result.returncode:
        sys.exit(result.returncode)  # the command has said why
    return result.stdout or ""


def own_program() -> list[str]:
    """What starts the command of this very package, which need not be on PATH."""
    script = shutil.which("hyperinr", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "hyperinr.plugin.cli"]


def shown(word: str) -> str:
    """A word of a command as one types it here."""
    try:
        return os.path.relpath(word) if os.path.isabs(word) else word
    except ValueError:  # it is on another drive
        return word


def write_training_series(series: Path, training_series: Path) -> None:
    """A collection of the training steps alone, for ParaView's TemporalInterpolator."""
    times = open_series(str(series)).thetas[::EVERY, 0]
    write_pvd(training_series, [(t, f"turbulence_{EVERY * index:03d}.vti") for index, t in enumerate(times)])


def picture_job(
    folder: Path,
    model: Path,
    series: Path,
    training_series: Path,
    report: dict,
    frame_dims: tuple[int, int, int],
) -> dict:
    """What is to be drawn, by `scenes/demo_pictures.py` or as slices.

    Its moment is the step nearest to the middle of the gap that is in the middle of the series.
    """
    data = open_series(str(series))
    trained = np.array([entry["theta"] for entry in report["steps"] if entry["trained"]])
    left = (len(trained) - 1) // 2
    step = left * EVERY + EVERY // 2
    moment = float(data.thetas[step, 0])
    truth = data.read(step, [FIELD])
    indices, weights = linear_weights(trained, moment)
    linear = sum(weight * data.read(int(index) * EVERY, [FIELD]) for index, weight in zip(indices, weights))
    look = looks_of(hinr.load(model))[FIELD]
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    return {
        "folder": str(pictures.resolve()),
        "model": str(model.resolve()),
        "series": str(series.resolve()),
        "training_series": str(training_series.resolve()),
        "field": FIELD,
        "time": moment,
        "looks": {
            "field": look.to_dict(),
            "difference": look_between(0.0, float(np.quantile(abs(linear - truth), 0.998))).to_dict(),
        },
        "frame_times": np.linspace(trained[0], trained[-1], FRAMES_PER_GAP * (len(trained) - 1) + 1).tolist(),
        "frame_dims": frame_dims,
    }


def draw(job: dict) -> None:
    """Draw the job in ParaView, and where there is none, or it cannot, without it."""
    try:
        program = launch.on_display([launch.find_program("pvpython")])
        headline("4/4  Rendering in ParaView, a minute or so")
        render(program, job)
    except HyperINRError as reason:
        headline(f"4/4  Drawing slices and one picture by paths of light, without ParaView: {reason}")
        slices.draw(job)
        moment = f"{hinr.load(job['model']).parameters[0].name}={job['time']}"
        shadow = Path(job["folder"]) / "shadow.png"
        hyperinr("render", job["model"], "--style", "cinematic", "--at", moment, "-o", shadow)


def render(program: list[str], job: dict) -> None:
    """Draw the job in pvpython, which `program` starts.

    Raises HyperINRError with ParaView's last words when a picture is missing.
    """
    script = Path(__file__).parents[1] / "scenes" / "demo_pictures.py"
    result = launch.run_program([*program, str(script), json.dumps(job)], RENDER_TIMEOUT)
    last = Path(job["folder"]) / "shadow.png"
    if result.returncode or not last.is_file():
        raise HyperINRError(f"ParaView ended with status {result.returncode}: {result.stderr.strip()[-2000:]}")


def draw_strip(path: Path, job: dict, report: dict) -> None:
    """The five panels with their names and the PSNR of this one step."""
    from hyperinr.plugin.demo import plots

    pictures = Path(job["folder"])
    entry = min(report["steps"], key=lambda step: abs(step["theta"] - job["time"]))
    decibel = {method: f"{entry[method]['psnr']:.1f} dB" for method in METHODS}
    panels = [
        (pictures / "truth.png", "truth (simulation)"),
        (pictures / "model.png", f"HyperINR, {decibel['model']}"),
        (pictures / "linear.png", f"linear in time, {decibel['linear']}"),
        (pictures / "model_difference.png", "|HyperINR - truth|"),
        (pictures / "linear_difference.png", "|linear - truth|"),
    ]
    bars = [
        (3, "vorticity magnitude", *slices.colors_of(job["looks"]["field"])),
        (2, "difference", *slices.colors_of(job["looks"]["difference"])),
    ]
    trained = sorted(step["theta"] for step in report["steps"] if step["trained"])
    left = max(theta for theta in trained if theta < job["time"])
    right = min(theta for theta in trained if theta > job["time"])
    plots.strip(path, panels, bars, f"time {job['time']:.2f}, between the training steps {left:.2f} and {right:.2f}")


def draw_animation(path: Path, job: dict, report: dict) -> None:
    """All frames; the label says which of them training saw."""
    from hyperinr.plugin.demo import plots

    trained = np.array([step["theta"] for step in report["steps"] if step["trained"]])
    frames = [Path(job["folder"]) / f"frame_{number:03d}.png" for number in range(len(job["frame_times"]))]
    seen = [bool(np.isclose(trained, moment).any()) for moment in job["frame_times"]]
    labels = [
        f"HyperINR, time {moment:.2f}{'  (training step)' if known else ''}"
        for moment, known in zip(job["frame_times"], seen)
    ]
    plots.animation(path, frames, labels)


def say_where(folder: Path, seconds: float) -> None:
    """The last words: what was made, and how to go on."""
    made = {
        "turbulence.hinr": "the model",
        "strip.png": "truth, HyperINR, linear and the differences",
        "animation.gif": f"the whole sequence at {FRAMES_PER_GAP} times the training rate",
        "shadow.png": "one moment in light and shadow",
        "psnr.png": "PSNR over time",
        "evaluation.json": "all numbers",
        "turbulence/turbulence.pvd": "the simulation, which ParaView opens too",
    }
    headline(f"Done in {seconds / 60:.1f} minutes:")
    for name, what in made.items():
        print(f"  {folder / name}: {what}")
    command = " ".join(map(shown, own_program()))
    print(f"\nOpen the model in ParaView with:\n  {command} paraview {folder / 'turbulence.hinr'}")
