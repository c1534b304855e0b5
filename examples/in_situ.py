"""In situ: a simulation hands its steps over while it runs, and a model is trained when it ends.

    pvpython examples/in_situ.py FOLDER     after eval "$(hyperinr env)"

Only every N-th step is kept, and the model plays what lies between. FOLDER/run.pvd can be opened while the simulation is
still running; FOLDER/run.hinr is there when this ends. Put your solver in the place of `steps`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from paraview import simple

from hyperinr.filters.recording import Recording
from hyperinr_core.volume import Grid

GRID = Grid((32, 32, 24), spacing=(1 / 31, 1 / 31, 1 / 31))
N_STEPS, EVERY = 41, 5
DT = 0.05
#: Points to train on; without it the preset's 30 million take some minutes.
SAMPLES = 2_000_000


def steps() -> Iterator[tuple[float, np.ndarray]]:
    """The simulation: a dye in a vortex, carried and diffused. Time and (nz, ny, nx) concentration after each step."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in GRID.shape), indexing="ij")
    dye = np.exp(-((x - 0.3) ** 2 + (y - 0.5) ** 2 + (z - 0.5) ** 2) / 0.01)
    u, v = -(y - 0.5), x - 0.5
    for number in range(N_STEPS):
        yield number * DT, dye
        fine = 10
        for _ in range(fine):
            gradient = np.gradient(dye, 1 / 31)
            spread = sum(np.gradient(slope, 1 / 31, axis=axis) for axis, slope in enumerate(gradient))
            dye = dye + DT / fine * (1e-3 * spread - u * gradient[2] - v * gradient[1])


def main(folder: str) -> None:
    """Run, record, train."""
    Path(folder).mkdir(exist_ok=True)
    recording = Recording(f"{folder}/run.pvd")
    for number, (time, dye) in enumerate(steps()):
        if number % EVERY == 0:
            recording.add_arrays(time, {"dye": dye.astype(np.float32)}, GRID)
    source = simple.OpenDataFile(f"{folder}/run.pvd")
    simple.SaveData(f"{folder}/run.hinr", source, Preset="fast", Samples=SAMPLES)


if __name__ == "__main__":
    main(*sys.argv[1:])
