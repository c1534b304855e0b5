"""HyperINR Compare: how far a model, or any other image, is from the simulation's own data.

ParaView's GUI crashes when the module of a proxy's class cannot be imported, so this module imports only VTK;
everything else is imported inside the requests, where a failure becomes an error message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkTable
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm, vtkStreamingDemandDrivenPipeline

from hyperinr.filters.reporting import Reporting

if TYPE_CHECKING:
    import numpy as np

    from hyperinr_core.volume import Grid


class HyperINRCompare(Reporting, VTKPythonAlgorithmBase):
    """A filter from the truth (port 0) and a model's image (port 1) to their difference (port 0) and its measures (port 1).

    For every field that both have: the point arrays `FIELD error`, model minus truth, and `FIELD absolute error`, and in the
    field data `FIELD PSNR (dB)` and `FIELD SSIM`, which are also the text that port 1 puts into views. ParaView shows the
    first array of the alphabet as a volume: the absolute error, as a ramp of opacity would hide what is below zero. Both
    inputs are asked for one time, that step of the truth that is nearest to the time in question. Windows of SSIM cross
    the borders between ranks, so every rank compares the whole grid and puts out its part.
    """

    LABEL = "HyperINR Compare"

    def __init__(self) -> None:
        super().__init__(nInputPorts=2, nOutputPorts=2, inputType="vtkImageData", outputType="vtkImageData")
        self._range = (0.0, 0.0)

    def SetValueRange(self, low: float, high: float) -> None:
        """What PSNR and SSIM refer to; 0 0 takes the range of the training data."""
        if self._range != (low, high):
            self._range = (float(low), float(high))
            self.Modified()

    # Requests.

    def FillOutputPortInformation(self, port: int, info: Any) -> int:
        info.Set(vtkDataObject.DATA_TYPE_NAME(), "vtkTable" if port else "vtkImageData")
        return 1

    def RequestInformation(self, request: Any, in_info: Any, out_info: Any) -> int:
        """The output lies where the truth lies; its times are the truth's, where it has any."""
        pipeline = vtkStreamingDemandDrivenPipeline
        info, truth, model = (vector.GetInformationObject(0) for vector in (out_info, *in_info))
        info.Set(vtkAlgorithm.CAN_PRODUCE_SUB_EXTENT(), 1)
        if not truth.Has(pipeline.TIME_STEPS()) and model.Has(pipeline.TIME_STEPS()):
            info.CopyEntry(model, pipeline.TIME_STEPS())
            info.CopyEntry(model, pipeline.TIME_RANGE())
        return 1

    def RequestUpdateExtent(self, request: Any, in_info: Any, out_info: Any) -> int:
        pipeline = vtkStreamingDemandDrivenPipeline
        wanted, truth, model = (vector.GetInformationObject(0) for vector in (out_info, *in_info))
        time = _nearest_step(truth, wanted)
        for info in (truth, model):
            info.Set(pipeline.UPDATE_NUMBER_OF_PIECES(), 1)
            info.Set(pipeline.UPDATE_PIECE_NUMBER(), 0)
            info.Set(pipeline.UPDATE_NUMBER_OF_GHOST_LEVELS(), 0)
            info.Set(pipeline.UPDATE_EXTENT(), info.Get(pipeline.WHOLE_EXTENT()), 6)
            if time is not None:
                info.Set(pipeline.UPDATE_TIME_STEP(), time)
        return 1

    def RequestData(self, request: Any, in_info: Any, out_info: Any) -> int:
        output, text = vtkImageData.GetData(out_info, 0), vtkTable.GetData(out_info, 1)
        output.Initialize()
        text.Initialize()
        truth, model = (vtkImageData.GetData(vector, 0) for vector in in_info)
        extent = out_info.GetInformationObject(0).Get(vtkStreamingDemandDrivenPipeline.UPDATE_EXTENT())
        if any(extent[2 * axis] > extent[2 * axis + 1] for axis in range(3)):
            return 1  # a rank that has no part of the image
        if not self._guarded("the comparison", self._fill, truth, model, extent, output, text):
            output.Initialize()
        return 1

    def _fill(
        self, truth: vtkImageData, model: vtkImageData, extent: tuple, output: vtkImageData, text: vtkTable
    ) -> None:
        from hyperinr.filters.image import from_image, masked_image

        grid, measured = from_image(model)
        exact_grid, exact = from_image(truth)
        names = _common(exact_grid, exact, grid, measured)
        image = masked_image(exact_grid, _errors(names, measured, exact))
        image.SetExtent(*truth.GetExtent())
        image.SetOrigin(*truth.GetOrigin())
        image.Crop(extent)
        output.ShallowCopy(image)
        key, when = vtkDataObject.DATA_TIME_STEP(), ""
        if truth.GetInformation().Has(key):
            output.GetInformation().Set(key, truth.GetInformation().Get(key))
            when = f" at time {truth.GetInformation().Get(key):g}"
        lines = [f"{name}{when}: " + self._measure(output, name, measured[name], exact[name], model) for name in names]
        _write(text, "\n".join(lines))

    def _measure(
        self, output: vtkImageData, name: str, values: np.ndarray, exact: np.ndarray, model: vtkImageData
    ) -> str:
        """Add PSNR and SSIM to the field data; returns them as text."""
        from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim

        limits = self._limits(name, exact, model)
        decibels, similarity = min(psnr(values, exact, limits), PSNR_CAP), ssim(values, exact, limits)
        _add(output, f"{name} PSNR (dB)", decibels)
        _add(output, f"{name} SSIM", similarity)
        return f"PSNR {decibels:.2f} dB, SSIM {similarity:.4f}"

    def _limits(self, name: str, exact: np.ndarray, model: vtkImageData) -> tuple[float, float]:
        """Lowest and highest value that the measures refer to."""
        import numpy as np

        from hyperinr.filters.about import range_name

        if self._range != (0.0, 0.0):
            return self._range
        told = model.GetFieldData().GetArray(range_name(name))
        if told is not None:
            return told.GetRange()
        return float(np.fmin.reduce(exact, axis=None)), float(np.fmax.reduce(exact, axis=None))


def _nearest_step(truth: Any, wanted: Any) -> float | None:
    """The time to compare at; None where nobody knows of time."""
    pipeline = vtkStreamingDemandDrivenPipeline
    time = wanted.Get(pipeline.UPDATE_TIME_STEP()) if wanted.Has(pipeline.UPDATE_TIME_STEP()) else None
    steps = truth.Get(pipeline.TIME_STEPS()) if truth.Has(pipeline.TIME_STEPS()) else ()
    if time is None or not steps:
        return time
    return min(steps, key=lambda step: abs(step - time))


def _common(exact_grid: Grid, exact: dict, grid: Grid, measured: dict) -> list[str]:
    """The fields that both inputs have on one grid.

    Raises
    ------
    DataError where they cannot be compared.
    """
    from hyperinr_core.errors import DataError

    if not exact_grid.n_points or not grid.n_points:
        raise DataError("an input is empty; expected data at this time from both, see their own messages")
    if exact_grid.dims != grid.dims:
        raise DataError(
            f"the truth has {exact_grid.dims} points and the model {grid.dims}; expected the same, set the Dims of the "
            "HyperINR Source or resample the truth"
        )
    names = [name for name in exact if name in measured and exact[name].shape == measured[name].shape]
    if not names:
        raise DataError(
            f"the truth has the point arrays {', '.join(exact) or 'none'} and the model {', '.join(measured) or 'none'}; "
            "expected one of the same name and components, convert cell data to point data or rename with a Calculator"
        )
    return names


def _errors(names: list[str], measured: dict, exact: dict) -> dict:
    """The arrays that are put out."""
    import numpy as np

    errors: dict = {}
    for name in names:
        error = np.subtract(measured[name], exact[name]).astype(np.float32)
        errors |= {f"{name} absolute error": np.abs(error), f"{name} error": error}
    return errors


def _write(table: vtkTable, text: str) -> None:
    """Put a text where ParaView's views take it from."""
    column = vtkStringArray()
    column.SetName("Text")
    column.InsertNextValue(text)
    table.AddColumn(column)


def _add(output: vtkImageData, name: str, number: float) -> None:
    array = vtkDoubleArray()
    array.SetName(name)
    array.InsertNextValue(number)
    output.GetFieldData().AddArray(array)
