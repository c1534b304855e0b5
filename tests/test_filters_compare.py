"""The comparison as a VTK algorithm, without ParaView."""

from __future__ import annotations

import numpy as np
import pytest
from models import random_model
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.util.vtkConstants import VTK_STRING
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
from vtkmodules.vtkCommonExecutionModel import vtkTrivialProducer

from hyperinr.filters.compare import HyperINRCompare
from hyperinr.filters.image import to_image
from hyperinr.filters.source import HyperINRSource
from hyperinr_core import hinr
from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim
from hyperinr_core.volume import Field, Grid

FIELDS = (Field("density", 1, ((-1.0, 3.0),)), Field("velocity", 3, ((0.0, 1.0), (-2.0, 0.0), (0.0, 0.5))))
STEPS = (0.0, 0.5, 1.0, 2.0)


class Truth(VTKPythonAlgorithmBase):
    """A series of volumes at STEPS that notes the times it is asked for, and answers no other."""

    def __init__(self, arrays, grid):
        super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkImageData")
        self.arrays, self.grid, self.asked = arrays, grid, []

    def RequestInformation(self, request, in_info, out_info):
        info = out_info.GetInformationObject(0)
        info.Set(Pipeline.WHOLE_EXTENT(), self.grid.extent, 6)
        info.Set(Pipeline.TIME_STEPS(), STEPS, len(STEPS))
        info.Set(Pipeline.TIME_RANGE(), (STEPS[0], STEPS[-1]), 2)
        return 1

    def RequestData(self, request, in_info, out_info):
        time = out_info.GetInformationObject(0).Get(Pipeline.UPDATE_TIME_STEP())
        self.asked.append(time)
        output = vtkImageData.GetData(out_info, 0)
        output.ShallowCopy(to_image(self.grid, self.arrays(time)))
        output.GetInformation().Set(output.DATA_TIME_STEP(), time)
        return 1


@pytest.fixture
def model():
    return random_model(fields=FIELDS)


def noisy(model, time):
    """What the model says, and some."""
    inr = model.generate(time)
    noise = np.random.default_rng(round(100 * time)).normal(0, 0.1, (*model.grid.shape, 4)).astype(np.float32)
    return inr.split(inr.sample_grid() + noise)


@pytest.fixture
def comparison(model, tmp_path):
    """A function that compares the model, as a file, to a truth."""
    hinr.save(model, tmp_path / "m.hinr")

    def make(truth, **settings):
        source, compare, said = HyperINRSource(), HyperINRCompare(), []

        def note(caller, name, text):
            said.append(text)

        note.CallDataType = VTK_STRING
        compare.AddObserver("ErrorEvent", note)
        source.SetFileName(str(tmp_path / "m.hinr"))
        compare.SetInputConnection(0, truth.GetOutputPort())
        compare.SetInputConnection(1, source.GetOutputPort())
        for name, value in settings.items():
            getattr(compare, f"Set{name}")(*(value if isinstance(value, tuple) else (value,)))
        return compare, source, said

    return make


def found(compare, name):
    image = compare.GetOutputDataObject(0)
    nx, ny, nz = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(nz, ny, nx, -1).squeeze()


def number(compare, name):
    return compare.GetOutputDataObject(0).GetFieldData().GetArray(name).GetValue(0)


@pytest.mark.parametrize("time", [0.5, 1.0])
def test_error_psnr_and_ssim_are_those_of_the_metrics(comparison, model, time):
    compare, _, said = comparison(Truth(lambda moment: noisy(model, moment), model.grid))
    compare.UpdateTimeStep(time)
    inr = model.generate(time)
    values, truth = inr.split(inr.sample_grid()), noisy(model, time)
    for field in FIELDS:
        limits = (min(low for low, _ in field.value_range), max(high for _, high in field.value_range))
        np.testing.assert_allclose(
            found(compare, f"{field.name} error"), values[field.name] - truth[field.name], atol=1e-5
        )
        expected = psnr(values[field.name], truth[field.name], limits)
        assert 10 < expected < 60
        assert number(compare, f"{field.name} PSNR (dB)") == pytest.approx(expected, abs=1e-3)
        expected = ssim(values[field.name], truth[field.name], limits)
        assert number(compare, f"{field.name} SSIM") == pytest.approx(expected, abs=1e-5)
    image = compare.GetOutputDataObject(0)
    assert image.GetOrigin() == model.grid.origin and image.GetSpacing() == model.grid.spacing
    assert image.GetInformation().Get(image.DATA_TIME_STEP()) == time and not said


def test_it_compares_at_the_truth_s_own_steps(comparison, model):
    truth = Truth(lambda moment: noisy(model, moment), model.grid)
    compare, source, _ = comparison(truth)
    for time, step in ((0.6, 0.5), (1.4, 1.0), (1.6, 2.0), (9.0, 2.0)):
        compare.UpdateTimeStep(time)
        assert truth.asked[-1] == step
        assert source.GetOutputDataObject(0).GetInformation().Get(vtkImageData.DATA_TIME_STEP()) == step


def test_a_perfect_model_has_the_highest_number_that_can_be_written(comparison, model):
    exact = Truth(lambda moment: model.generate(moment).split(model.generate(moment).sample_grid()), model.grid)
    compare, _, _ = comparison(exact)
    compare.UpdateTimeStep(1.0)
    assert number(compare, "density PSNR (dB)") == PSNR_CAP and number(compare, "density SSIM") == pytest.approx(1.0)


def test_absolute_error_and_a_range_of_one_s_own(comparison, model):
    compare, _, _ = comparison(Truth(lambda t: noisy(model, t), model.grid), ValueRange=(0.0, 40.0))
    compare.UpdateTimeStep(1.0)
    values, truth = model.generate(1.0).sample_grid()[..., 0], noisy(model, 1.0)["density"]
    np.testing.assert_allclose(found(compare, "density absolute error"), abs(values - truth), atol=1e-5)
    assert number(compare, "density PSNR (dB)") == pytest.approx(psnr(values, truth, (0, 40)), abs=1e-3)


def test_the_text_for_the_view_has_the_numbers_of_the_time(comparison, model):
    truth = Truth(lambda moment: noisy(model, moment), model.grid)
    compare, _, _ = comparison(truth)
    for time in (0.5, 1.0):
        compare.UpdateTimeStep(time)
        lines = compare.GetOutputDataObject(1).GetValue(0, 0).ToString().splitlines()
        assert len(lines) == len(FIELDS)
        for line, field in zip(lines, FIELDS):
            decibel, similarity = (number(compare, f"{field.name} {measure}") for measure in ("PSNR (dB)", "SSIM"))
            assert line == f"{field.name} at time {time:g}: PSNR {decibel:.2f} dB, SSIM {similarity:.4f}"


def test_a_part_of_the_whole_has_the_numbers_of_the_whole(comparison, model):
    compare, _, _ = comparison(Truth(lambda moment: noisy(model, 0.0), model.grid))
    compare.Update()
    whole, decibel = found(compare, "density error").copy(), number(compare, "density PSNR (dB)")
    part, _, _ = comparison(Truth(lambda moment: noisy(model, 0.0), model.grid))
    part.UpdateExtent((2, 6, 3, 9, 1, 4))
    np.testing.assert_allclose(found(part, "density error"), whole[1:5, 3:10, 2:7])
    assert part.GetOutputDataObject(0).GetExtent() == (2, 6, 3, 9, 1, 4)
    assert number(part, "density PSNR (dB)") == decibel


def test_two_images_of_no_model_are_compared_over_the_truth_s_range(model):
    truth, other = noisy(model, 0.0)["density"], noisy(model, 1.0)["density"]
    producers = []
    for values in (truth, other):
        producers.append(vtkTrivialProducer())
        producers[-1].SetOutput(to_image(model.grid, {"density": values}))
    compare = HyperINRCompare()
    for port, producer in enumerate(producers):
        compare.SetInputConnection(port, producer.GetOutputPort())
    compare.Update()
    expected = psnr(other, truth, (truth.min(), truth.max()))
    assert number(compare, "density PSNR (dB)") == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("arrays", "dims", "message"),
    [
        (
            {"pressure": 1},
            None,
            "the point arrays pressure and the model density, velocity; expected one of the same name",
        ),
        ({"density": 2}, None, "expected one of the same name and components"),
        (
            {"density": 1},
            (5, 6, 7),
            r"truth has \(5, 6, 7\) points and the model \(12, 10, 8\); expected the same, set the Dims",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(comparison, model, arrays, dims, message):
    grid = Grid(dims) if dims else model.grid
    values = {name: np.zeros((*grid.shape, n) if n > 1 else grid.shape, np.float32) for name, n in arrays.items()}
    compare, _, said = comparison(Truth(lambda moment: values, grid))
    compare.Update()
    assert len(said) == 1 and compare.GetOutputDataObject(0).GetNumberOfPoints() == 0
    assert compare.GetOutputDataObject(1).GetNumberOfRows() == 0
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(said[0])
