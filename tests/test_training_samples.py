"""The stream of samples: true, the same for an iteration, and within the memory that it is given."""

from __future__ import annotations

import numpy as np
from masked import masked_blob, wall
from series import moving_blob

from hyperinr_core.training.samples import SampleStream, scan_fields
from hyperinr_core.training.volumes.survey import survey


def test_points_carry_the_values_of_their_voxels():
    series = moving_blob()
    fields = scan_fields(series, ["density", "motion"], 1 << 30)
    stream = SampleStream(series, fields, 2, 500, 1 << 30, seed=3)
    batch = stream.draw(7)
    assert batch.points.shape == (2, 500, 3) and batch.targets.shape == (2, 500, 3)
    for scene, theta in enumerate(batch.thetas):
        step = int(np.flatnonzero(series.thetas[:, 0] == theta[0])[0])
        index = np.round(batch.points[scene] * (np.array(series.grid.dims) - 1)).astype(int)
        values = series.read(step, ["density", "motion"])[index[:, 2], index[:, 1], index[:, 0]]
        low, high = np.array([pair for field in fields for pair in field.value_range]).T
        np.testing.assert_allclose(batch.targets[scene] * (high - low) + low, values, atol=1e-5)


def test_series_larger_than_memory_is_streamed():
    series = moving_blob(dims=(16, 16, 40), n_steps=8)
    reads = []
    load = series.loader

    def counted(step, name, z_range):
        reads.append(z_range)
        return load(step, name, z_range)

    series.loader = counted
    memory = 60_000  # the series takes 328 kB
    fields = scan_fields(series, ["density"], memory)
    reads.clear()
    stream = SampleStream(series, fields, 2, 256, memory, seed=0)
    seen = set()
    for iteration in range(400):
        batch = stream.draw(iteration)
        resident = sum(values.nbytes for values, *_ in stream._resident.values())
        assert resident <= memory
        seen.update(batch.thetas[:, 0])
    assert len(seen) == 8
    assert max(stop - start for start, stop in reads) < 40
    n_blocks = len(stream._blocks)
    turns = [[stream._block(turn * n_blocks + place) for place in range(n_blocks)] for turn in range(3)]
    assert turns[0] != turns[1] != turns[2] and all(set(turn) == set(stream._blocks) for turn in turns)
    # an interrupted run starts in the middle and must draw the same
    again = SampleStream(series, fields, 2, 256, memory, seed=0).draw(399)
    np.testing.assert_array_equal(again.targets, batch.targets)


def test_only_valid_points_are_drawn():
    series = masked_blob(wall)
    found = survey(series, ["density"], 1 << 30)
    stream = SampleStream(found.series, found.fields, 2, 500, 1 << 30, seed=1)
    for iteration in range(5):
        batch = stream.draw(iteration)
        x, y, z = np.moveaxis(batch.points.astype(np.float64), -1, 0)
        assert not wall(x + 1e-6, y, z, batch.thetas[:, :1]).any()
    stream.close()


def test_a_slab_without_a_value_is_never_drawn():
    series = masked_blob(lambda x, y, z, t: z < 0.5, dims=(40, 36, 32))
    found = survey(series, ["density"], 1 << 20)
    stream = SampleStream(found.series, found.fields, 2, 500, 1 << 20, seed=1)
    assert min(stream.draw(iteration).points[..., 2].min() for iteration in range(40)) > 0.5
    stream.close()
