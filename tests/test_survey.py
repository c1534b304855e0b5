"""What is read before training: ranges and a block to compare teachers on in one pass, and never more than two passes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from masked import masked_blob, wall
from series import moving_blob
from small import with_training

from hyperinr.filters.readers.series import open_series
from hyperinr_core.training.crop import cut_out
from hyperinr_core.training.distributed import World
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.teachers import CHEAP
from hyperinr_core.training.volumes import survey as survey_module
from hyperinr_core.training.volumes.survey import Kept, survey
from hyperinr_core.training.volumes.task import Volumes

#: More than a megabyte of it does not fit into one.
LARGE = {"dims": (48, 40, 36), "n_steps": 6}


class Counted:
    """A series that counts the planes that are read of it."""

    def __init__(self, series):
        self.planes, self._load, self._depth = 0, series.loader, series.grid.dims[2]
        self.series = dataclasses.replace(series, loader=self.load)

    def load(self, step, name, z_range):
        first, last = z_range or (0, self._depth)
        self.planes += last - first
        return self._load(step, name, z_range)

    def passes(self, n_fields=1):
        """Planes read, over those that there are; less one of each field, by which its type of numbers is known."""
        return (self.planes - n_fields) / (self._depth * len(self.series) * n_fields)


def learn(series, names, folder, teacher, base, memory_mb=4096):
    config = with_training(memory_mb=memory_mb, base=base).replace(distillation={"teacher": teacher})
    return Volumes(series, names).learn(config, Context(folder / "teacher", "cpu", World(), Tell()))


@pytest.mark.parametrize("base", ["never", "always"])
@pytest.mark.parametrize("teacher", ["none", "auto", "flow", "hash_inr"])
def test_what_fits_into_memory_is_read_once(tmp_path, teacher, base):
    counted = Counted(moving_blob())
    with_samples = {"teacher_samples": 4000} if teacher == "hash_inr" else {}
    config = with_training(base=base).replace(distillation={"teacher": teacher, **with_samples})
    Volumes(counted.series, ["density", "motion"]).learn(config, Context(tmp_path / "t", "cpu", World(), Tell()))
    assert counted.passes(n_fields=2) == 1


@pytest.mark.parametrize("teacher", ["none", "auto", *CHEAP])
def test_what_does_not_fit_is_read_twice_at_most(tmp_path, teacher):
    counted = Counted(moving_blob(**LARGE))
    lesson = learn(counted.series, ["density"], tmp_path, teacher, "never", memory_mb=1)
    assert 1 <= counted.passes() <= 2
    lesson.forget()


def test_of_a_mapped_file_a_box_is_kept_and_no_more(tmp_path):
    np.save(tmp_path / "w.npy", np.random.default_rng(0).random((3, 8, 16, 20)).astype(np.float32))
    series = open_series(str(tmp_path / "w.npy"))
    box = cut_out(series, (slice(1, 7), slice(2, 9), slice(3, 12)))
    kept, name = Kept(box).series, next(iter(series.field_info))
    values = kept.read(1, [name])
    np.testing.assert_array_equal(values, series.read(1, [name])[1:7, 2:9, 3:12])
    assert values.flags.c_contiguous and not isinstance(values.base.base, np.memmap)
    whole = Kept(series).series.read(1, [name])
    assert not whole.flags.owndata  # still the file's pages, which the system may take back


def test_what_was_kept_is_let_go_before_training():
    counted = Counted(moving_blob())
    found = survey(counted.series, ["density"], 1 << 30)
    np.testing.assert_array_equal(
        found.series.read(2, ["density"], (3, 5)), counted.series.read(2, ["density"], (3, 5))
    )
    before = counted.planes
    found.series.read(2, ["density"])
    assert counted.planes == before
    found.release()
    found.series.read(2, ["density"])
    assert counted.planes == before + 12


@pytest.mark.parametrize("memory_bytes", [1 << 30, 1 << 20], ids=["fits", "larger"])
def test_ranges_are_those_of_all_steps_and_the_block_is_the_middle(memory_bytes):
    series = moving_blob(**LARGE)
    found = survey(series, ["density", "motion"], memory_bytes)
    whole = np.stack([series.read(step, ["density", "motion"]) for step in range(len(series))])
    limits = [pair for field in found.fields for pair in field.value_range]
    np.testing.assert_array_equal(limits, np.stack([whole.min((0, 1, 2, 3)), whole.max((0, 1, 2, 3))], axis=1))
    assert found.block.grid.spacing == series.grid.spacing and found.block.grid.direction == series.grid.direction
    z, y, x = ((n - m) // 2 for n, m in zip(series.grid.shape, found.block.grid.shape))
    nz, ny, nx = found.block.grid.shape
    for step in (0, 5):
        middle = whole[step, z : z + nz, y : y + ny, x : x + nx]
        np.testing.assert_array_equal(found.block.read(step, ["motion"]), middle[..., 1:])
    assert (found.block is found.series) == (memory_bytes > 1 << 20)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 1 << 20])
def test_masked_points_have_numbers_that_go_on_from_those_beside_them(memory_bytes):
    series = masked_blob(wall, dims=(40, 36, 32))
    found = survey(series, ["density"], memory_bytes)
    for step in (0, 4):
        truth, values = series.read(step, ["density"]), found.series.read(step, ["density"])
        np.testing.assert_array_equal(found.series.truth(step, ["density"]), truth)
        assert np.isfinite(values).all() and values.max() <= np.nanmax(truth) and values.min() >= np.nanmin(truth)
    clean = survey(moving_blob(dims=(40, 36, 32)), ["density"], memory_bytes)
    assert clean.series.mask is None and found.fields[0].value_range[0][1] <= clean.fields[0].value_range[0][1]


def test_teachers_are_compared_where_there_is_something(monkeypatch):
    monkeypatch.setattr(survey_module, "MOST_POINTS", 8 * 8 * 8)
    middle = masked_blob(lambda x, y, z, t: (abs(x - 0.5) < 0.3) & (abs(y - 0.5) < 0.3) & (abs(z - 0.5) < 0.3))
    for memory_bytes in (1 << 30, 1 << 16):
        block = survey(middle, ["density"], memory_bytes).block
        assert np.isfinite(block.truth(0, ["density"])).mean() >= survey_module.ENOUGH
