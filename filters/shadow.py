"""HyperINR Shadow: shades a volume with the shadow it casts on itself, for a light that can be dragged.

ParaView's GUI crashes when the module of a proxy's class cannot be imported, so this module imports only VTK;
everything else is imported inside the requests, where a failure becomes an error message.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm, vtkStreamingDemandDrivenPipeline

from hyperinr.filters.coloring import Colored, ask_for_all, check_some, look_of_some, whole_grid

if TYPE_CHECKING:
    import numpy as np

    from hyperinr.filters.shading import Shading
    from hyperinr_core.hypernet import HyperINR

#: What the arrays that are added are called, after the scalar's own name: ParaView shows the first of the alphabet as a
#: volume, which is then the scalar.
SHADOW, SHADED, OCCLUSION = "shadow", "shaded", "occlusion"

#: What light there may be, as the property has it.
ONE_LIGHT, FROM_EVERYWHERE, BOTH = range(3)


class HyperINRShadow(Colored, VTKPythonAlgorithmBase):
    """A filter from a vtkImageData to the same image with its scalar, `SCALAR shaded`, `SCALAR shadow` and `SCALAR occlusion`.

    The shadow is the share of one light that arrives, the occlusion that of a light from everywhere; shaded are the scalar's
    colours darkened by them, with the opacity of one unit distance, 4 bytes a point. Without a model the shadow is computed,
    exactly, by a sweep over the whole volume; the occlusion always is.
    """

    LABEL, MADE = "HyperINR Shadow", "the shadow"

    def __init__(self) -> None:
        super().__init__(nInputPorts=1, nOutputPorts=1, inputType="vtkImageData", outputType="vtkImageData")
        self._model_name: str | None = None
        self._lighting = ONE_LIGHT
        self._azimuth, self._elevation = 45.0, 45.0
        self._ambient, self._strength = 0.2, 1.0
        self._unit_distance = 0.0
        self._dims = (0, 0, 0)
        self._backend = "auto"
        self._model: HyperINR | None = None
        self._model_stamp: tuple[str, int, int] | None = None
        self._shading: Shading | None = None
        self._shading_key: tuple | None = None
        self._said: set[str] = set()

    # Properties, in the order of the panel.

    def SetModel(self, name: str | None) -> None:
        """Path of a shadow model (.hinr); none sweeps."""
        self._store("_model_name", name or None)

    def SetLighting(self, kind: int) -> None:
        """Where light comes from: ONE_LIGHT, FROM_EVERYWHERE or BOTH."""
        self._store("_lighting", int(kind))

    def SetAzimuth(self, degrees: float) -> None:
        """Where the light comes from around z, from x towards y."""
        self._store("_azimuth", float(degrees))

    def SetElevation(self, degrees: float) -> None:
        """How high the light stands above the xy plane."""
        self._store("_elevation", float(degrees))

    def SetAmbient(self, share: float) -> None:
        """Share of its colour that every point keeps."""
        self._store("_ambient", float(share))

    def SetStrength(self, share: float) -> None:
        """How far shadows darken."""
        self._store("_strength", float(share))

    def SetUnitDistance(self, length: float) -> None:
        """Length over which opacities hold; 0 takes 1/128 of the box's diagonal."""
        self._store("_unit_distance", float(length))

    def SetShadowDims(self, nx: int, ny: int, nz: int) -> None:
        """Points that the sweep works on; 0 takes the input's."""
        self._store("_dims", (int(nx), int(ny), int(nz)))

    def SetBackend(self, name: str | None) -> None:
        """What evaluates the model: one of the names in hyperinr_core.backends."""
        self._store("_backend", name or "auto")

    def GetUnitDistanceInUse(self) -> float:
        """Length over which the opacities of what is shaded hold: what a display must know."""
        return self._shading.unit_distance if self._shading else 1.0

    # Requests.

    def RequestInformation(self, request: Any, in_info: Any, out_info: Any) -> int:
        out_info.GetInformationObject(0).Set(vtkAlgorithm.CAN_PRODUCE_SUB_EXTENT(), 1)
        return 1

    def RequestUpdateExtent(self, request: Any, in_info: Any, out_info: Any) -> int:
        """Light crosses the whole volume, so a sweep needs all of it; a model needs to know who is a point's neighbour."""
        pipeline = vtkStreamingDemandDrivenPipeline
        wanted, source = out_info.GetInformationObject(0), in_info[0].GetInformationObject(0)
        if self._model_name and self._lighting == ONE_LIGHT:
            whole, part = source.Get(pipeline.WHOLE_EXTENT()), wanted.Get(pipeline.UPDATE_EXTENT())
            extent = [pick(part[i] + grow, whole[i]) for i, (pick, grow) in enumerate([(max, -1), (min, 1)] * 3)]
            levels = wanted.Get(pipeline.UPDATE_NUMBER_OF_GHOST_LEVELS()) or 0
            source.Set(pipeline.UPDATE_NUMBER_OF_GHOST_LEVELS(), levels + 1)
            source.Set(pipeline.UPDATE_EXTENT(), extent, 6)
        else:
            ask_for_all(source)
        return 1

    def _fill(self, image: vtkImageData, whole: tuple, extent: tuple, output: vtkImageData) -> None:
        from hyperinr.filters.image import masked_image

        name, values = self._scalars(image)
        check_some(values, image.GetExtent() == tuple(whole))
        model = self._load()
        shading = self._shade(image, name, values, whole)
        dims = tuple(own or other for own, other in zip(self._dims, shading.grid.dims))
        shadows = None if self._lighting == FROM_EVERYWHERE else self._shadows(model, shading, dims)
        occlusion = None if self._lighting == ONE_LIGHT else shading.occluded(dims)
        rgba = shading.shaded(shadows, self._ambient, self._strength, occlusion)
        part = _part(shading.region, _from_zero(extent, whole))
        made = {SHADED: rgba, SHADOW: shadows, OCCLUSION: occlusion}
        arrays = {f"{name} {kind}": array[part] for kind, array in made.items() if array is not None}
        arrays = {name: values[part], **arrays}
        output.ShallowCopy(masked_image(shading.grid, arrays, _from_zero(extent, whole), [name]))
        output.SetExtent(*extent)
        output.SetOrigin(*image.GetOrigin())
        output.GetPointData().SetActiveScalars(name)
        key = vtkDataObject.DATA_TIME_STEP()
        if image.GetInformation().Has(key):
            output.GetInformation().Set(key, image.GetInformation().Get(key))

    def _shadows(self, model: HyperINR | None, shading: Shading, dims: tuple[int, ...]) -> np.ndarray:
        """(nz, ny, nx) share that arrives of the one light."""
        from hyperinr_core.spaces.sphere import direction_of

        if model is None:
            return shading.swept(direction_of(self._azimuth, self._elevation), dims)
        return shading.predicted(model, self._theta(model, shading), self._backend)

    def _shade(self, image: vtkImageData, name: str, values: np.ndarray, whole: tuple) -> Shading:
        """Everything that does not depend on the light, kept until the input or the transfer function changes."""
        from hyperinr.filters.shading import Shading
        from hyperinr_core.light import shadow

        function = self._function(values)
        grid, region = whole_grid(image, whole), _from_zero(image.GetExtent(), whole)
        unit = self._unit_distance or shadow.default_unit_distance(grid)
        # not the image's own time: ParaView hands on another one, of the same arrays, whenever the light moves
        key = (image.GetPointData().GetArray(name).GetMTime(), name, grid, region, function, unit)
        if self._shading is None or key != self._shading_key:
            self._shading_key = None
            self._look = {name: look_of_some(values)}
            self._shading = Shading(values, grid, region, function, unit)
            self._shading_key = key
        return self._shading

    def _load(self) -> HyperINR | None:
        """The shadow model, read again when its file changes; None without one."""
        from hyperinr_core import hinr

        if not self._model_name:
            return None
        status = os.stat(self._model_name) if os.path.exists(self._model_name) else None
        stamp = status and (self._model_name, status.st_mtime_ns, status.st_size)
        if stamp is None or stamp != self._model_stamp:
            self._model_stamp = None
            self._model = hinr.load_one(self._model_name)
            self._model_stamp = stamp
            self._said.clear()
        return self._model

    def _theta(self, model: HyperINR, shading: Shading) -> list[float]:
        """The light in the model's parameters."""
        from hyperinr_core.errors import ParameterError

        light = {"light_azimuth": self._azimuth % 360.0, "light_polar": 90.0 - self._elevation}
        if [p.role for p in model.parameters] != list(light):
            roles = ", ".join(p.role for p in model.parameters)
            raise ParameterError(
                f"{self._model_name} has parameters of the roles {roles}; expected light_azimuth, light_polar: "
                "a model made by `hyperinr train-shadow`"
            )
        self._compare(model, shading)
        return list(light.values())

    def _compare(self, model: HyperINR, shading: Shading) -> None:
        """Say once that the model was made for something else; it works, but its shadows are another volume's."""
        made_for = model.provenance.get("transfer_function", {})
        differences = []
        if made_for.get("digest") not in (None, shading.function.digest):
            differences.append("another transfer function")
        if model.grid.dims != shading.grid.dims:
            differences.append(f"dims {model.grid.dims} and not {shading.grid.dims}")
        for difference in differences:
            if difference not in self._said:
                self._said.add(difference)
                self._report(
                    "WarningEvent", f"{self._model_name} was made for {difference}; its shadows are shown all the same"
                )


def _from_zero(extent: tuple, whole: tuple) -> tuple:
    """An extent counted from the first point of the whole one."""
    return tuple(int(extent[i] - whole[i // 2 * 2]) for i in range(6))


def _part(region: tuple, extent: tuple) -> tuple:
    """Slices (z, y, x) of an extent out of arrays for a region."""
    return tuple(slice(extent[2 * a] - region[2 * a], extent[2 * a + 1] - region[2 * a] + 1) for a in (2, 1, 0))
