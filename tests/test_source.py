"""The reader as a VTK algorithm, without ParaView."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import golden_models
import numpy as np
import pytest
from bound_models import bounded_model, series_of
from carried import carried_model
from masked import masked_model, wall
from models import random_model
from rewritten import rewrite
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_STRING

from hyperinr.filters import about, frames, moving, source
from hyperinr.filters.coarse import fewer_points
from hyperinr.filters.frames import Frame, ImageFrames
from hyperinr.filters.image import numeric_arrays
from hyperinr.filters.source import HyperINRPlaneSource, HyperINRSource
from hyperinr_core import hinr
from hyperinr_core.inr import INR
from hyperinr_core.motion.steps import Steps
from hyperinr_core.stored_tables import StoredTables
from hyperinr_core.volume import Field

FIELDS = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))


@pytest.fixture
def path(tmp_path):
    hinr.save(random_model(fields=FIELDS), tmp_path / "m.hinr")
    return str(tmp_path / "m.hinr")


def reader_of(path, **settings):
    """A reader and the lists that its errors and warnings go to."""
    reader, errors, warnings = HyperINRSource(), [], []
    for event, said in (("ErrorEvent", errors), ("WarningEvent", warnings)):

        def note(caller, name, text, said=said):
            said.append(text)

        note.CallDataType = VTK_STRING
        reader.AddObserver(event, note)
    reader.SetFileName(path)
    for name, value in settings.items():
        getattr(reader, f"Set{name}")(*(value if isinstance(value, tuple) else (value,)))
    return reader, errors, warnings


def values(reader, name="density"):
    image = reader.GetOutputDataObject(0)
    nx, ny, nz = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(nz, ny, nx, -1).copy()


def expected(path, time, **options):
    model = hinr.load(path)
    inr = model.generate(time)
    return inr.split(inr.sample_grid(**options))


def test_any_time_is_evaluated_not_snapped(path):
    reader, errors, _ = reader_of(path)
    for time in (0.5, 0.55, 1.999):
        reader.UpdateTimeStep(time)
        np.testing.assert_allclose(values(reader)[..., 0], expected(path, time)["density"], atol=1e-6)
        np.testing.assert_allclose(values(reader, "velocity"), expected(path, time)["velocity"], atol=1e-6)
        assert (
            reader.GetOutputDataObject(0).GetInformation().Get(reader.GetOutputDataObject(0).DATA_TIME_STEP()) == time
        )
    assert not errors


def test_place_units_and_times_come_from_the_file(path):
    reader, _, _ = reader_of(path)
    reader.Update()
    image, model = reader.GetOutputDataObject(0), hinr.load(path)
    assert image.GetOrigin() == model.grid.origin and image.GetSpacing() == model.grid.spacing
    array = image.GetPointData().GetArray("density")
    assert array.GetInformation().Get(array.UNITS_LABEL()) == "kg/m^3"
    info, executive = reader.GetOutputInformation(0), reader.GetExecutive()
    assert info.Get(executive.TIME_RANGE()) == (0.0, 2.0)
    assert set(model.parameters[0].values) < set(info.Get(executive.TIME_STEPS()))
    assert reader.GetDataBounds() == image.GetBounds() and reader.GetTrainingGrid() == "12 x 10 x 8 points"
    assert reader.GetDataLengths() == (0, 5.5, 0, 2.25, 0, 7)


@pytest.mark.parametrize(
    ("settings", "n_steps", "words"),
    [
        ({}, 201, "201 steps, 5 trained"),
        ({"StepsBetween": 3}, 17, "17 steps, 5 trained"),
        ({"TimeSteps": "training steps"}, 5, "5 steps, 5 trained"),
        ({"TimeSteps": "continuous"}, 0, "any time from 0 to 2"),
    ],
)
def test_time_steps_are_as_many_as_one_wants(path, settings, n_steps, words):
    reader, errors, _ = reader_of(path, **settings)
    reader.UpdateInformation()
    info, executive = reader.GetOutputInformation(0), reader.GetExecutive()
    steps = info.Get(executive.TIME_STEPS()) if info.Has(executive.TIME_STEPS()) else ()
    assert len(steps) == n_steps and reader.GetTimeStepsInUse() == words and reader.GetHasTime()
    assert info.Get(executive.TIME_RANGE()) == (0.0, 2.0) and not errors


def test_of_a_group_of_files_the_first_is_shown_and_the_others_are_named_once(path, tmp_path):
    other = tmp_path / "m_2.hinr"
    hinr.save(random_model(seed=5), other)
    reader, errors, warnings = reader_of(None)
    reader.ClearFileNames()
    for name in (path, str(other)):
        reader.AddFileName(name)
    for time in (0.3, 0.6):
        reader.UpdateTimeStep(time)
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.6)["density"], atol=1e-6)
    assert len(warnings) == 1 and "m.hinr is shown, and not m_2.hinr" in warnings[0] and not errors


def test_how_the_model_is_shown_is_told_as_json(path):
    reader, _, _ = reader_of(path)
    assert reader.GetLook() == "", "nothing is loaded yet"
    reader.UpdateInformation()
    look = json.loads(reader.GetLook())
    assert (look["kind"], look["time"]) == ("volume", "time {time:.3f} s")
    assert list(look["fields"]) == ["density", "velocity"] and look["fields"]["density"]["title"] == "density [kg/m^3]"
    assert all(item["low"] < item["high"] and item["opacities"] for item in look["fields"].values())


def test_exactly_the_update_extent_is_filled(path):
    reader, _, _ = reader_of(path)
    whole = expected(path, 0.0)["density"]
    reader.UpdateExtent((2, 6, 3, 9, 1, 4))
    image = reader.GetOutputDataObject(0)
    assert image.GetExtent() == (2, 6, 3, 9, 1, 4)
    np.testing.assert_allclose(values(reader)[..., 0], whole[1:5, 3:10, 2:7], atol=1e-6)


def test_dims_region_and_interpolation(path):
    model = hinr.load(path)
    grid = model.grid.with_dims((23, 10, 15))
    region = (1.9, 3.1, -1.0, 0.0, 2.0, 5.0)
    box = {"RegionPosition": region[0::2], "RegionSize": (1.2, 1.0, 3.0)}
    reader, errors, _ = reader_of(path, Dims=(23, 0, 15), UseRegion=1, **box, Interpolation="catmull_rom")
    reader.UpdateTimeStep(0.8)
    image = reader.GetOutputDataObject(0)
    extent = image.GetExtent()
    assert all(image.GetBounds()[i] <= region[i] + 1e-9 for i in (0, 2, 4))
    assert all(image.GetBounds()[i] >= region[i] - 1e-9 for i in (1, 3, 5))
    inr = model.generate(0.8, interpolation="catmull_rom")
    np.testing.assert_allclose(values(reader), inr.sample_grid(grid, extent)[..., :1], atol=1e-6)
    assert not errors and extent != grid.extent


def test_fields_are_chosen_by_name_before_or_after_the_file_is_known(path):
    reader, _, _ = reader_of(path)
    reader.GetFieldSelection().SetArraySetting("velocity", 0)
    reader.Update()
    assert [reader.GetOutputDataObject(0).GetPointData().GetArrayName(i) for i in range(2)] == ["density", None]
    reader.GetFieldSelection().EnableArray("velocity")
    reader.Update()
    assert reader.GetOutputDataObject(0).GetPointData().GetNumberOfArrays() == 2


def test_the_file_is_read_once_and_again_when_it_changed(path, monkeypatch):
    loaded, load = [], hinr.load
    monkeypatch.setattr(hinr, "load", lambda name: loaded.append(name) or load(name))
    reader, errors, _ = reader_of(path)
    for time in (0.1, 0.2, 0.3):
        reader.UpdateTimeStep(time)
    assert len(loaded) == 1
    hinr.save(random_model(fields=FIELDS, seed=9), path)
    os.utime(path, ns=(0, 0))
    reader.UpdateTimeStep(0.4)
    assert len(loaded) == 2 and not errors
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.4)["density"], atol=1e-6)


def test_a_replacement_on_another_grid_is_said_and_shown_after_a_reload(path):
    reader, errors, _ = reader_of(path)
    reader.UpdateTimeStep(0.1)
    hinr.save(random_model((5, 6, 7), fields=FIELDS), path)
    os.utime(path, ns=(0, 0))
    for time in (0.4, 0.5):
        reader.UpdateTimeStep(time)
    assert "another grid" in errors[0] and len(errors) == 1
    reader.Modified()  # what Reload Files comes to
    reader.Update()
    assert reader.GetOutputDataObject(0).GetDimensions() == (5, 6, 7)


def test_nothing_runs_again_when_nothing_changed(path):
    reader, _, _ = reader_of(path)
    starts = []
    reader.AddObserver("StartEvent", lambda *_: starts.append(1))
    for _ in range(3):
        reader.Update()
    assert len(starts) == 1


def counted(monkeypatch):
    """The numbers of points that are sampled from now on, one a grid."""
    counts, sample = [], INR.sample_grid

    def count(inr, grid=None, region=None, progress=None):
        values = sample(inr, grid, region, progress)
        counts.append(values[..., 0].size)
        return values

    monkeypatch.setattr(INR, "sample_grid", count)
    return counts


def test_a_step_that_was_shown_is_not_sampled_again_within_the_bound(path, monkeypatch):
    counts = counted(monkeypatch)
    reader, _, _ = reader_of(path)
    for time in (0.1, 0.2, 0.1, 0.2):
        reader.UpdateTimeStep(time)
    assert len(counts) == 2
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.2)["density"], atol=1e-6)
    counts.clear()
    reader.GetFieldSelection().DisableArray("velocity")
    reader.Update()
    assert len(counts) == 1, "other fields are another image"
    reader.SetCacheMegabytes(0)
    counts.clear()
    for time in (0.1, 0.2, 0.1):
        reader.UpdateTimeStep(time)
    assert len(counts) == 3


def test_while_a_window_moves_the_grid_is_coarse_and_at_rest_full(path, monkeypatch):
    monkeypatch.setattr(moving, "SLOW", 0.0)
    counts = counted(monkeypatch)
    reader, errors, _ = reader_of(path, CoarserWhileMoving=2)
    whole, coarse = 12 * 10 * 8, 6 * 5 * 4
    reader.UpdateTimeStep(0.1)
    assert not reader.GetNeedsUpdate() and counts == [whole]
    for time in (0.2, 0.3):
        reader.UpdateTimeStep(time)
        assert not reader.GetNeedsUpdate()
    assert counts == [whole, coarse, coarse]
    assert reader.GetOutputDataObject(0).GetDimensions() == (12, 10, 8)
    answers = [reader.GetNeedsUpdate() for _ in range(moving.REST_POLLS)]
    assert answers.count(True) == 1
    reader.UpdateTimeStep(0.3)
    assert counts[3:] == [whole] and not errors
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.3)["density"], atol=1e-6)


def test_nothing_is_coarse_where_nobody_asks_or_it_is_switched_off(path, monkeypatch):
    monkeypatch.setattr(moving, "SLOW", 0.0)
    counts = counted(monkeypatch)
    reader, _, _ = reader_of(path)
    for time in np.linspace(0, 2, 9):
        reader.UpdateTimeStep(time)
    reader.SetCoarserWhileMoving(1)
    for time in (0.11, 0.22, 0.33):
        reader.UpdateTimeStep(time)
        reader.GetNeedsUpdate()
    assert counts == [12 * 10 * 8] * 12


FROM_SCRIPT = source._from_script


@pytest.fixture
def slow(monkeypatch):
    """Grids so slow, by the clock of `Moving` alone, that every third point is enough to begin with; nobody's script asks."""
    monkeypatch.setattr(frames, "N_TRIED", 2)
    monkeypatch.setattr(frames, "_tried", lambda model, frame: 27 * moving.QUICK / (12 * 10 * 8))
    monkeypatch.setattr(source, "_from_script", lambda: False)


def until_told(reader):
    """Ask as the window does until it is to show all points."""
    for _ in range(1000):
        if reader.GetNeedsUpdate():
            return
    pytest.fail("the window is never told of the full grid")


def test_a_slow_model_begins_with_few_points_and_all_come_at_rest(path, slow, monkeypatch):
    counts = counted(monkeypatch)
    reader, errors, _ = reader_of(path)
    reader.UpdateInformation()
    assert not reader.GetNeedsUpdate()  # the window is there, and nobody has pressed Apply yet
    reader.UpdateTimeStep(0.3)
    image, bounds = reader.GetOutputDataObject(0), reader.GetDataBounds()
    assert image.GetDimensions() == (4, 4, 3) and image.GetBounds() == bounds and counts == [4 * 4 * 3]
    reader.UpdateTimeStep(0.3)
    assert counts == [4 * 4 * 3], "the window draws it several times"
    until_told(reader)
    assert counts[1:] == [12 * 10 * 8], "all are there before the window is told, which need not wait"
    reader.UpdateTimeStep(0.3)
    assert reader.GetOutputDataObject(0).GetDimensions() == (12, 10, 8) and counts[2:] == [] and not errors
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.3)["density"], atol=1e-6)


def test_what_is_saved_while_few_points_are_shown_is_full(path, slow):
    reader, errors, _ = reader_of(path)
    reader.ExpectWindow()
    reader.UpdateTimeStep(0.3)
    assert reader.GetOutputDataObject(0).GetDimensions() == (4, 4, 3)
    reader.GetNeedsUpdate()  # the window asks while its user looks for Save Data
    reader.UpdateTimeStep(0.3)
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.3)["density"], atol=1e-6)
    reader.UpdateTimeStep(0.7)
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 0.7)["density"], atol=1e-6)
    assert not errors


def test_a_script_gets_all_points_also_where_a_window_is(path, slow, monkeypatch):
    reader, _, _ = reader_of(path)
    reader.UpdateInformation()
    reader.GetNeedsUpdate()
    reader.UpdateInformation()
    monkeypatch.setattr(source, "_from_script", FROM_SCRIPT)  # which the test is
    reader.GetNeedsUpdate()
    reader.Update()
    assert reader.GetOutputDataObject(0).GetDimensions() == (12, 10, 8)


def test_few_points_of_a_model_with_motion_decode_no_whole_step(tmp_path, slow, monkeypatch):
    hinr.save(carried_model(), tmp_path / "m.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.ExpectWindow()
    with monkeypatch.context() as patch:
        patch.setattr(Steps, "get", lambda *_: pytest.fail("a step is decoded"))
        reader.UpdateTimeStep(0.3)
    assert reader.GetOutputDataObject(0).GetDimensions()[0] < hinr.load(tmp_path / "m.hinr").grid.dims[0]
    until_told(reader)
    reader.UpdateTimeStep(0.3)
    truth = hinr.load(tmp_path / "m.hinr").generate(0.3).sample_grid()[..., 0]
    np.testing.assert_allclose(values(reader)[..., 0], truth, atol=1e-6)
    assert not errors


def test_a_source_that_is_deleted_leaves_no_work_behind(path, slow, monkeypatch):
    stopped = []
    monkeypatch.setattr(frames.Refinement, "stop", lambda refinement: stopped.append(refinement))
    reader, _, _ = reader_of(path)
    reader.ExpectWindow()
    reader.Update()
    until_told(reader)
    del reader
    gc.collect()
    assert len(stopped) == 1


def test_a_small_part_tells_how_long_a_grid_takes(monkeypatch):
    counts = counted(monkeypatch)
    monkeypatch.setattr(frames, "N_TRIED", 3)
    model = random_model()
    assert frames._tried(model, frame_of(model)) > 0 and counts == [27, 27]


@pytest.fixture
def levels(monkeypatch):
    """Models whose tables stay in their file, and take long; the levels that are read from now on."""
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    monkeypatch.setattr(frames, "N_TRIED", 2)
    monkeypatch.setattr(moving, "LONG", 0.0)
    numbers, original = [], StoredTables._read
    monkeypatch.setattr(StoredTables, "_read", lambda self, i, level: (numbers.append(level), original(self, i, level)))
    return numbers


def test_few_points_read_few_levels_and_all_points_are_as_ever(path, levels):
    model, shown = hinr.load(path), ImageFrames(0)
    shown.moving.watched = True
    frame = frame_of(model)._replace(fields=("density", "velocity"))
    assert shown.preview_factor(model, model.grid, model.grid.extent, "auto") == 2 and set(levels) == {0}
    small = fewer_points(model.grid, 2)
    few = shown.preview(model, frame._replace(grid=small, extent=small.extent), frame, lambda share: None)
    shown.moving.coarse_will_do = lambda theta: True
    shown.image(model, frame._replace(theta=(1.9,)), 2, lambda share: None)
    assert few.GetDimensions() == (6, 5, 4) and set(levels) == {0, 1}  # 16 vertices are more than 2.5 times 6 points
    found = shown.image(model, frame, 1, lambda share: None)
    assert set(levels) == {0, 1, 2, 3}
    truth = ImageFrames(0).image(random_model(fields=FIELDS), frame, 1, lambda share: None)
    for name in ("density", "velocity"):
        np.testing.assert_array_equal(*(vtk_to_numpy(each.GetPointData().GetArray(name)) for each in (found, truth)))


@pytest.mark.parametrize(("dims", "finest"), [((24, 4, 3), 2), ((3, 5, 24), 2), ((24, 20, 1), 2), ((9, 4, 3), 1)])
def test_levels_go_by_the_longest_axis(tmp_path, levels, dims, finest):
    hinr.save(carried_model(dims=dims), tmp_path / "m.hinr")
    model = hinr.load(tmp_path / "m.hinr")
    small = fewer_points(model.grid, 2)
    frame = frame_of(model)._replace(grid=small, extent=small.extent, motion=("trust",))
    few = ImageFrames(0).preview(model, frame, frame_of(model), lambda share: None)
    assert max(levels) == finest and list(numeric_arrays(few.GetPointData())) == ["density", "density trust"]


def test_a_region_begins_with_few_points_where_the_region_is_slow(path, slow):
    reader, errors, _ = reader_of(path, UseRegion=1, RegionPosition=(1.0, -2.0, 0.5), RegionSize=(5.5, 2.25, 3.0))
    reader.ExpectWindow()
    reader.Update()
    few = reader.GetOutputDataObject(0)
    assert few.GetDimensions()[0] < 12
    until_told(reader)
    reader.Update()
    assert reader.GetOutputDataObject(0).GetDimensions() == (12, 10, 4) and not errors


def test_facts_about_the_model_are_text_and_field_data(path):
    quality = {"training_psnr_db": {"density": [40.0, 41.0, None], "velocity": "no numbers"}}
    model = random_model(fields=FIELDS, quality=quality)
    hinr.save(model, path)
    reader, _, _ = reader_of(path)
    assert reader.GetModelParameters() == "" == reader.GetModelQuality()
    reader.Update()
    assert reader.GetModelParameters() == "time 0 to 2 s, 5 trained"
    assert reader.GetModelFields() == "density [kg/m^3]; velocity"
    assert reader.GetModelQuality() == "density 40.5 dB"
    assert reader.GetModelSize() == "5 encoders, 0.1 MB"
    data = reader.GetOutputDataObject(0).GetFieldData()
    names = [data.GetArrayName(i) for i in range(data.GetNumberOfArrays())]
    facts = {name: vtk_to_numpy(data.GetArray(name)).tolist() for name in names}
    assert facts["model: training time"] == [0.0, 0.5, 1.0, 1.5, 2.0] and facts["model: encoders"] == [5.0]
    assert facts["model: training PSNR of density (dB)"] == [40.0, 41.0] and len(facts) == 6
    assert facts["model: range of density"] == [-1.0, 3.0] and len(facts["model: range of velocity"]) == 6
    hinr.save(random_model(fields=FIELDS), path)
    reader.Modified()
    reader.Update()
    assert reader.GetModelQuality() == "not measured"


def test_a_damaged_step_is_told_by_its_image_and_leaves_the_others(path):
    hinr.save(bounded_model(fields=FIELDS), path)
    rewrite(path, None, lambda tensors: tensors["bound_codes"].__setitem__(len(tensors["bound_codes"]) // 2, 77))
    reader, errors, _ = reader_of(path)
    reader.UpdateTimeStep(0.0)
    look = json.loads(reader.GetLook())  # of the values at several times
    assert (look["kind"], look["fields"]) == ("volume", {}) and not errors
    reader.UpdateTimeStep(1.0)
    assert len(errors) == 1 and "the bound is damaged" in errors[0]


def test_a_bound_is_told_and_holds_at_training_steps(path):
    model = bounded_model(fields=FIELDS)
    hinr.save(model, path)
    reader, errors, _ = reader_of(path)
    reader.Update()
    assert "at every training step density within 0.04 kg/m^3, velocity within " in reader.GetModelQuality()
    data = reader.GetOutputDataObject(0).GetFieldData()
    for field, error in zip(FIELDS, model.largest_errors):
        assert data.GetArray(f"model: largest error of {field.name} at training steps").GetValue(0) == error
    reader.UpdateTimeStep(0.5)
    image = reader.GetOutputDataObject(0)
    found = vtk_to_numpy(image.GetPointData().GetArray("density")).reshape(model.grid.shape)
    assert (
        abs(found - series_of(random_model(fields=FIELDS)).read(1, ["density"])[..., 0]).max()
        <= model.largest_errors[0]
    )
    assert not errors


def test_the_size_counts_all_that_a_model_holds():
    for model, more in ((golden_models.based()[0], "base"), (golden_models.lights()[0], "guide")):
        assert model.n_bytes > dataclasses.replace(model, **{more: None}).n_bytes
        assert about.size_of(model) == f"{len(model.encoder_positions)} encoders, {model.n_bytes / 1e6:.1f} MB"


def test_outside_the_bounds_is_clamped_and_said_once(path):
    reader, errors, warnings = reader_of(path)
    for time in (-5.0, 99.0, 100.0):
        reader.UpdateTimeStep(time)
    np.testing.assert_allclose(values(reader)[..., 0], expected(path, 2.0)["density"], atol=1e-6)
    assert len(warnings) == 1 and "time -5 is outside the model's 0 to 2; 0 is shown" in warnings[0] and not errors


def test_motion_arrays_are_added_when_chosen(tmp_path):
    path = str(tmp_path / "m.hinr")
    model = carried_model(fields=FIELDS)
    hinr.save(model, path)
    reader, errors, _ = reader_of(path)
    reader.UpdateTimeStep(0.3)
    assert numeric_arrays(reader.GetOutputDataObject(0).GetPointData()) == {"density": 1, "velocity": 3}
    assert reader.GetHasMotion() == 1 and "steps carried along a motion found by optical flow" in reader.GetModelSize()
    for name in ("velocity", "uncertainty"):
        reader.GetMotionSelection().EnableArray(name)
    for interpolation in ("as stored", "linear"):
        reader.SetInterpolation(interpolation)
        reader.UpdateTimeStep(0.3)
        known = model.generate(0.3).motion("density")
        np.testing.assert_array_equal(values(reader, "density velocity"), known.velocity)
        np.testing.assert_array_equal(values(reader, "density uncertainty")[..., 0], known.uncertainty)
    image = reader.GetOutputDataObject(0)
    array = image.GetPointData().GetArray("density uncertainty")
    assert array.GetInformation().Get(array.UNITS_LABEL()) == "kg/m^3"
    assert image.GetFieldData().HasArray("model: motion (MB)")
    reader.GetFieldSelection().DisableArray("velocity")
    reader.Update()
    names = list(numeric_arrays(reader.GetOutputDataObject(0).GetPointData()))
    assert names == ["density", "density velocity", "density uncertainty"] and not errors


def test_while_a_window_moves_the_motion_is_coarse_too(tmp_path, monkeypatch):
    monkeypatch.setattr(moving, "SLOW", 0.0)
    hinr.save(carried_model(), tmp_path / "m.hinr")
    asked, known = [], INR.motion

    def noted(self, field, grid, region):
        asked.append(grid.dims)
        return known(self, field, grid, region)

    monkeypatch.setattr(INR, "motion", noted)
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    for name in ("velocity", "trust"):
        reader.GetMotionSelection().EnableArray(name)
    for time in (0.1, 0.2, 0.3):
        reader.UpdateTimeStep(time)
        assert not reader.GetNeedsUpdate() and not errors
    assert asked == [(12, 10, 8), (6, 5, 4), (6, 5, 4)]
    np.testing.assert_allclose(values(reader, "density trust"), 0.8, atol=1e-6)
    assert values(reader, "density velocity").shape == (8, 10, 12, 3)


def test_a_model_without_motion_offers_none_of_its_arrays(path):
    reader, errors, _ = reader_of(path)
    reader.GetMotionSelection().EnableArray("velocity")  # a choice made before the file was
    reader.Update()
    assert reader.GetMotionSelection().GetNumberOfArrays() == reader.GetHasMotion() == 0 and not errors
    assert numeric_arrays(reader.GetOutputDataObject(0).GetPointData()) == {"density": 1, "velocity": 3}


def test_motion_arrays_of_masked_points_are_zero(tmp_path):
    hinr.save(carried_model(model=masked_model(wall)), tmp_path / "m.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.GetMotionSelection().EnableArray("trust")
    reader.UpdateTimeStep(0.3)
    valid = hinr.load(tmp_path / "m.hinr").generate(0.3).valid()["density"]
    np.testing.assert_allclose(values(reader, "density trust")[..., 0], np.where(valid, 0.8, 0), atol=1e-6)
    assert not errors


def test_abort_leaves_an_empty_image_and_the_next_update_fills_it(path):
    reader, errors, _ = reader_of(path)
    fractions = []

    def stop(caller, _):
        if caller.GetProgress() > 0:  # VTK itself reports the start
            fractions.append(caller.GetProgress())
            caller.SetAbortExecute(1)

    tag = reader.AddObserver("ProgressEvent", stop)
    reader.SetDims(80, 80, 400)  # more than one slab
    reader.Update()
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 0 and not errors
    assert 0.3 < fractions[0] < 0.5 and set(fractions[1:]) <= {1.0}, "a slab was sampled after the abort"
    reader.RemoveObserver(tag)
    reader.SetAbortExecute(0)
    reader.SetDims(0, 0, 0)
    reader.Update()
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 12 * 10 * 8


def test_abort_while_training_steps_are_decoded_leaves_an_empty_image(tmp_path):
    hinr.save(carried_model(dims=(80, 80, 400)), tmp_path / "m.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    fractions = []

    def stop(caller, _):
        if caller.GetProgress() > 0:
            fractions.append(caller.GetProgress())
            caller.SetAbortExecute(1)

    tag = reader.AddObserver("ProgressEvent", stop)
    reader.UpdateTimeStep(0.3)
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 0 and not errors
    assert 0.1 < fractions[0] < 0.15 and set(fractions[1:]) <= {1.0}, "the first slab of the first of three steps"
    reader.RemoveObserver(tag)
    reader.SetAbortExecute(0)
    reader.SetDims(10, 10, 10)
    reader.UpdateTimeStep(0.3)
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 1000 and not errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"FileName": None}, "no file is chosen"),
        ({"FileName": "/nowhere/m.hinr"}, "is not there"),
        ({"Backend": "quantum"}, "quantum"),
        ({"Interpolation": "idw"}, "interpolation"),
        ({"Dims": (1, 0, 0)}, "Dims has 1 points"),
        ({"Dims": (1 << 18, 1 << 18, 0)}, "not enough memory"),
        (
            {"Dims": (4000, 4000, 4000)},
            "4000 x 4000 x 4000 points with 4 number(s) each: they take 953.7 GiB",
        ),
        ({"Dims": (1 << 30, 1 << 30, 1 << 30)}, "Dims asks for"),
        ({"UseRegion": 1, "RegionPosition": (90.0, 0.0, 0.0), "RegionSize": (9.0, 1.0, 1.0)}, "region of interest"),
    ],
)
def test_errors_are_one_sentence_and_an_empty_image(path, settings, message):
    reader, errors, _ = reader_of(path, **settings)
    for _ in range(2):
        reader.Update()
    assert len(errors) == 1 and message in errors[0] and "\n" not in errors[0]
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 0


def test_a_broken_file_is_an_error_and_a_mended_one_is_shown(path):
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    reader, errors, _ = reader_of(path)
    reader.Update()
    assert len(errors) == 1 and "not a whole .hinr file" in errors[0]
    Path(path).write_bytes(whole)
    reader.Modified()
    reader.Update()
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 12 * 10 * 8 and len(errors) == 1


def test_a_file_opens_with_one_of_the_two_readers(path, tmp_path):
    plane, broken = str(tmp_path / "plane.hinr"), str(tmp_path / "broken.hinr")
    hinr.save(random_model((9, 8, 1)), plane)
    Path(broken).write_bytes(b"nothing")
    readers = HyperINRSource(), HyperINRPlaneSource()
    answers = {name: [reader.CanReadFile(name) for reader in readers] for name in (path, plane, broken)}
    assert answers == {path: [1, 0], plane: [0, 1], broken: [1, 0]}


def test_the_module_imports_little_and_survives_a_missing_core(path):
    code = (
        "import sys; sys.modules['safetensors'] = None\n"
        "import vtkmodules.util.vtkAlgorithm; before = set(sys.modules)  # newer VTK brings numpy itself\n"
        "from hyperinr.filters.source import HyperINRSource\n"
        "assert not {'hyperinr_core', 'numpy', 'torch', 'scipy'} & (set(sys.modules) - before), 'slow imports'\n"
        f"reader = HyperINRSource(); reader.SetFileName({path!r}); reader.Update()\n"
        "print('points', reader.GetOutputDataObject(0).GetNumberOfPoints())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "points 0" and result.returncode == 0
    assert "run `hyperinr doctor`" in result.stderr and "Traceback" not in result.stderr


def shown(image, name="density"):
    """Values of an image's points that are not hidden, and which these are."""
    nx, ny, nz = image.GetDimensions()
    ghosts = image.GetPointData().GetArray("vtkGhostType")
    hidden = np.zeros((nz, ny, nx), bool) if ghosts is None else vtk_to_numpy(ghosts).reshape(nz, ny, nx) == 2
    return vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(nz, ny, nx, -1), ~hidden


@pytest.mark.parametrize("dims", [(0, 0, 0), (19, 23, 11)])
@pytest.mark.parametrize("time", [0.0, 0.7])
def test_masked_points_are_hidden(tmp_path, time, dims):
    hinr.save(masked_model(wall), tmp_path / "m.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"), Dims=dims)
    reader.UpdateTimeStep(time)
    image, model = reader.GetOutputDataObject(0), hinr.load(tmp_path / "m.hinr")
    grid = model.grid.with_dims(dims) if dims[0] else model.grid
    found, visible = shown(image)
    truth = model.generate(time).sample_grid(grid)
    assert not errors and image.IsA("vtkUniformGrid"), "vtkContourFilter leaves hidden points out of these alone"
    np.testing.assert_array_equal(visible, ~np.isnan(truth[..., 0]))
    np.testing.assert_allclose(found[visible], truth[visible], rtol=0, atol=1e-6)
    assert np.isfinite(found).all(), "a volume mapper blends what is beside the border"
    assert image.GetPointData().GetArray("density").GetRange() == pytest.approx((np.nanmin(truth), np.nanmax(truth)))


def test_only_what_no_chosen_field_has_is_hidden_and_the_rest_is_nan(tmp_path):
    hinr.save(masked_model(names=("velocity",), fields=FIELDS), tmp_path / "m.hinr")
    reader, _, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.UpdateTimeStep(0.5)
    velocity, visible = shown(reader.GetOutputDataObject(0), "velocity")
    assert visible.all() and np.isnan(velocity).any() and np.isfinite(shown(reader.GetOutputDataObject(0))[0]).all()
    reader.GetFieldSelection().DisableArray("density")
    reader.UpdateTimeStep(0.5)
    velocity, visible = shown(reader.GetOutputDataObject(0), "velocity")
    truth = hinr.load(tmp_path / "m.hinr").generate(0.5).valid()["velocity"]
    np.testing.assert_array_equal(visible, truth)


def test_where_masks_differ_little_a_point_is_hidden_that_one_field_lacks(tmp_path):
    """As on staggered grids: mappers would show the NaN of the other field."""
    model = masked_model(names=("velocity",), fields=FIELDS, masked=lambda x, y, z, t: x < 0.05)
    hinr.save(model, tmp_path / "m.hinr")
    reader, _, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.UpdateTimeStep(0.5)
    _, visible = shown(reader.GetOutputDataObject(0), "velocity")
    np.testing.assert_array_equal(visible, hinr.load(tmp_path / "m.hinr").generate(0.5).valid()["velocity"])
    assert not visible.all()


def test_while_things_move_the_border_is_as_fine_as_else(tmp_path):
    model = masked_model(wall, dims=(40, 30, 20))
    fine = ImageFrames(0).image(model, frame_of(model), 1, lambda share: None)
    frames = ImageFrames(0)
    frames.moving.coarse_will_do = lambda theta: True
    coarse = frames.image(model, frame_of(model), 4, lambda share: None)
    (exact, visible), (found, also_visible) = shown(fine), shown(coarse)
    np.testing.assert_array_equal(visible, also_visible)
    assert np.isfinite(found[visible]).all() and not np.allclose(found[visible], exact[visible])


def frame_of(model):
    return Frame((0.7,), model.grid, model.grid.extent, ("density",), (), None, "auto")
