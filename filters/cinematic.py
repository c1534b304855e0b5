"""HyperINR Cinematic: a picture of a volume by paths of light, which gets better while one looks at it.

ParaView's GUI crashes when the module of a proxy's class cannot be imported, so this module imports only VTK;
everything else is imported inside the requests, where a failure becomes an error message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkAlgorithm, vtkStreamingDemandDrivenPipeline

from hyperinr.filters.coloring import Colored, ask_for_all, check_some, look_of_some, whole_grid

if TYPE_CHECKING:
    import numpy as np

    from hyperinr.filters.refining import Refinement
    from hyperinr_core.tracing.film import Film
    from hyperinr_core.tracing.medium import Medium

#: The point array of the picture.
PICTURE = "picture"

#: Names of light from all around, as the property has them.
ENVIRONMENTS = ("sky", "even", "dark")

#: Seconds after a question of ParaView's window within which it is there and wants something soon.
ALIVE = 1.0

#: Seconds that the first picture may take in a window, and that it then goes on for before it is shown again, at most.
QUICK, LONGEST = 0.25, 4.0

#: Seconds that the window lends to the work each time it asks.
LOAN = 0.01


class HyperINRCinematic(Colored, VTKPythonAlgorithmBase):
    """A filter from a vtkImageData to a picture of it, a flat vtkImageData of `PICTURE`, 3 bytes a pixel.

    In ParaView's window the first picture comes soon and has noise; it is gone on with while nothing else changes. A script, a
    server or an animation gets all samples at once.
    """

    LABEL, MADE = "HyperINR Cinematic", "the picture"

    def __init__(self) -> None:
        super().__init__(nInputPorts=1, nOutputPorts=1, inputType="vtkImageData", outputType="vtkImageData")
        self._azimuth, self._elevation, self._light_size, self._brightness = 45.0, 45.0, 6.0, 1.0
        self._environment, self._unit_distance = 0, 0.0
        self._surface, self._bounces, self._n_samples = 0.5, 8, 64
        self._denoises, self._exposure = True, 0.0
        self._size = (800, 600)
        self._position, self._focal_point, self._up = (0.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)
        self._view_angle, self._parallel_scale = 30.0, 1.0
        self._background = (0.32, 0.34, 0.43)
        self._medium: Medium | None = None
        self._medium_key: tuple | None = None
        self._film: Film | None = None
        self._film_key: tuple | None = None
        self._developed_by: tuple | None = None
        self._step: Refinement | None = None
        self._pause = QUICK
        self._polled_at = float("-inf")

    # Properties, in the order of the panel.

    def SetAzimuth(self, degrees: float) -> None:
        """Where the light comes from around z, from x towards y."""
        self._store("_azimuth", float(degrees))

    def SetElevation(self, degrees: float) -> None:
        """How high the light stands above the xy plane."""
        self._store("_elevation", float(degrees))

    def SetLightSize(self, degrees: float) -> None:
        """How wide the light is: how soft shadows are."""
        self._store("_light_size", float(degrees))

    def SetBrightness(self, factor: float) -> None:
        """Of the light, beside that from all around."""
        self._store("_brightness", float(factor))

    def SetEnvironment(self, kind: int) -> None:
        """Light from all around: a place in ENVIRONMENTS."""
        self._store("_environment", int(kind))

    def SetSurface(self, amount: float) -> None:
        """How much edges look like surfaces."""
        self._store("_surface", float(amount))

    def SetBounces(self, count: int) -> None:
        """Times that light is scattered on its way, at most."""
        self._store("_bounces", int(count))

    def SetSamples(self, count: int) -> None:
        """Paths of light for each pixel."""
        self._store("_n_samples", int(count))

    def SetDenoise(self, whether: int) -> None:
        """Whether noise is taken out of the picture."""
        self._store("_denoises", bool(whether))

    def SetExposure(self, factor: float) -> None:
        """Factor of all light; 0 for one that makes the bright parts bright."""
        self._store("_exposure", float(factor))

    def SetPictureSize(self, width: int, height: int) -> None:
        """In pixels."""
        self._store("_size", (int(width), int(height)))

    def SetCameraPosition(self, x: float, y: float, z: float) -> None:
        """Where the picture is taken from."""
        self._store("_position", (float(x), float(y), float(z)))

    def SetCameraFocalPoint(self, x: float, y: float, z: float) -> None:
        """What the camera looks at."""
        self._store("_focal_point", (float(x), float(y), float(z)))

    def SetCameraViewUp(self, x: float, y: float, z: float) -> None:
        """What is up in the picture."""
        self._store("_up", (float(x), float(y), float(z)))

    def SetCameraViewAngle(self, degrees: float) -> None:
        """From the lowest row to the highest; 0 for a parallel projection."""
        self._store("_view_angle", float(degrees))

    def SetCameraParallelScale(self, half: float) -> None:
        """Half the height that a parallel projection shows."""
        self._store("_parallel_scale", float(half))

    def SetBackground(self, red: float, green: float, blue: float) -> None:
        """What is behind the volume."""
        self._store("_background", (float(red), float(green), float(blue)))

    def SetUnitDistance(self, length: float) -> None:
        """Length over which opacities hold; 0 takes 1/128 of the box's diagonal."""
        self._store("_unit_distance", float(length))

    # What ParaView's window asks.

    def GetNeedsUpdate(self) -> bool:
        """What the window asks all the time: whether there is a better picture to show."""
        self._polled_at = time.monotonic()
        if self._step is None:
            if self._film is None or self._medium is None or not self._left(self._film):
                return False
            self._step = self._begun(self._medium, self._film)
        if not self._step.lend(LOAN):
            return False
        self.Modified()
        return True

    def ExpectWindow(self) -> None:
        """Say that a window will show the first picture, although a script asks for it."""
        self._polled_at = time.monotonic()

    # Requests.

    def RequestInformation(self, request: Any, in_info: Any, out_info: Any) -> int:
        information, (width, height) = out_info.GetInformationObject(0), self._size
        information.Set(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT(), (0, width - 1, 0, height - 1, 0, 0), 6)
        information.Set(vtkImageData.SPACING(), (1.0, 1.0, 1.0), 3)
        information.Set(vtkImageData.ORIGIN(), (0.0, 0.0, 0.0), 3)
        information.Set(vtkAlgorithm.CAN_PRODUCE_SUB_EXTENT(), 1)
        return 1

    def RequestUpdateExtent(self, request: Any, in_info: Any, out_info: Any) -> int:
        """Light crosses the whole volume, on every rank."""
        ask_for_all(in_info[0].GetInformationObject(0))
        return 1

    def _fill(self, image: vtkImageData, whole: tuple, extent: tuple, output: vtkImageData) -> None:
        from hyperinr.filters.image import add_array

        pixels = self._picture(image, whole)
        x0, x1, y0, y1, *_ = extent
        output.SetExtent(*extent)
        add_array(output, PICTURE, pixels[None, y0 : y1 + 1, x0 : x1 + 1])
        output.GetPointData().SetActiveScalars(PICTURE)

    def _picture(self, image: vtkImageData, whole: tuple) -> np.ndarray:
        """(height, width, 3) uint8, lowest row first."""
        from hyperinr_core.tracing.film import Film

        medium, key = self._seen(image, whole), (self._medium_key, *self._settings())
        step, self._step = self._step, None
        if key != self._film_key or self._film is None:
            if step is not None:
                step.stop()
            film, step, self._pause = Film(self._size), None, QUICK
            self._film, self._film_key = film, key
        film = self._film
        how = self._denoises, self._exposure, self._background
        if step is not None and how != self._developed_by:  # its picture is as things were
            step.stop()
            step = None
        self._developed_by = how
        if step is not None:
            self._pause = min(2 * self._pause, LONGEST)
            return step.result(self._told)
        if self._left(film):
            hurried = time.monotonic() - self._polled_at < ALIVE
            self._trace(medium, film, QUICK if hurried else None, self._told)
        return self._developed(film)

    def _begun(self, medium: Medium, film: Film) -> Refinement:
        """The next step of a picture, beside the window."""
        from hyperinr.filters.refining import Refinement

        seconds = self._pause

        def work(heard: Callable[[float], bool]) -> np.ndarray:
            self._trace(medium, film, seconds, heard)
            return self._developed(film)

        return Refinement(self._film_key, work)

    def _trace(self, medium: Medium, film: Film, seconds: float | None, heard: Callable[[float], bool]) -> None:
        from hyperinr_core.errors import Aborted
        from hyperinr_core.pictures.camera import Camera
        from hyperinr_core.spaces.sphere import direction_of
        from hyperinr_core.tracing.film import trace
        from hyperinr_core.tracing.staging import GLOSS, Environment, Light, Scene

        def progress(share: float) -> None:
            if heard(share):
                raise Aborted("the picture was stopped by the caller")

        towards = direction_of(self._azimuth, self._elevation)
        light = Light(towards, (self._brightness,) * 3, self._light_size)
        sky = Environment.named(ENVIRONMENTS[self._environment])
        scene = Scene(light, sky, self._bounces, surface=self._surface, gloss=GLOSS)
        camera = Camera(self._position, self._focal_point, self._up, self._view_angle, self._parallel_scale)
        trace(medium, camera, scene, film, self._left(film), 0, seconds, progress)

    def _developed(self, film: Film) -> np.ndarray:
        from hyperinr_core.tracing.film import developed, exposure_of

        means = film.denoised() if self._denoises else film.means
        return developed(means, self._background, self._exposure or exposure_of(means))

    def _left(self, film: Film) -> int:
        """Samples that are still to be drawn."""
        return max(self._n_samples - film.n_samples, 0)

    def _told(self, share: float) -> bool:
        self.UpdateProgress(share)
        return bool(self.GetAbortExecute())

    def _settings(self) -> tuple:
        """All that a film depends on beside the medium."""
        light = self._azimuth, self._elevation, self._light_size, self._brightness, self._environment
        camera = self._position, self._focal_point, self._up, self._view_angle, self._parallel_scale, self._size
        return *light, *camera, self._surface, self._bounces

    def _seen(self, image: vtkImageData, whole: tuple) -> Medium:
        """The volume as light meets it, kept until the input or the colour map changes."""
        from hyperinr_core.light import shadow
        from hyperinr_core.tracing.medium import medium_of

        name, values = self._scalars(image)
        check_some(values, True)
        function, grid = self._function(values), whole_grid(image, whole)
        unit = self._unit_distance or shadow.default_unit_distance(grid)
        key = (image.GetPointData().GetArray(name).GetMTime(), name, grid, function, unit)
        if self._medium is None or key != self._medium_key:
            self._medium_key = None
            self._look = {name: look_of_some(values)}
            self._medium = medium_of(values, grid, function, unit)
            self._medium_key = key
        return self._medium
