"""Bricks of random numbers that belong together, for tests that need an index but no training."""

from __future__ import annotations

import dataclasses

from models import random_model

from hyperinr_core import hinr
from hyperinr_core.cuts import Cuts
from hyperinr_core.joining import brick_path, folder_of, join

#: As `training/volumes/brick.py` writes it, but for the digest.
SETTINGS = "0123456789abcdef"


def brick_of(model, cuts, number, change=lambda model: model, **options):
    """A random model of the place of a brick in the grid of another, which says so."""
    grid = model.grid.part(cuts.extent(number))
    told = {
        "number": number + 1,
        "counts": list(cuts.counts),
        "overlap": cuts.overlap,
        "grid": {name: list(value) for name, value in dataclasses.asdict(model.grid).items()},
        "settings": SETTINGS,
    }
    provenance = {"software": "hyperinr 1", "source": "flow.npy", "brick": told}
    quality = {"training_psnr_db": {field.name: [40.0, 30.0] for field in model.fields}}
    brick = random_model(grid.dims, model.parameters, model.fields, seed=number + 10, **options)
    return change(dataclasses.replace(brick, grid=grid, provenance=provenance, quality=quality))


def bricked(path, dims=(24, 20, 18), counts=(2, 2, 1), overlap=3, change=lambda model: model, fields=None, **options):
    """Write bricks and their index; the model that it opens as."""
    whole = random_model(dims, fields=fields, **options)
    cuts = Cuts(dims, counts, overlap)
    folder_of(path).mkdir()
    for number in range(len(cuts)):
        hinr.save(brick_of(whole, cuts, number, change, **options), brick_path(path, number))
    join(path)
    return hinr.load(path)
