"""The picture of a radiance field for ParaView's own camera: dragging the mouse turns what is seen.

A plane through the camera's focal point faces it, as large as the view, and has the picture on it. It is there in views that
draw in the process of the reader, and it is no part of a state.
"""

from __future__ import annotations

import math
import time
import weakref
from typing import Any

import numpy as np
from paraview import simple
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkRenderingCore import vtkImageSlice, vtkImageSliceMapper

from hyperinr.filters.reporting import tell, tell_error
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.pictures.camera import Camera

#: Most pixels along a side, seconds that a picture may take while things move, and the least share of a side's pixels then.
MOST_PIXELS, QUICK, LEAST = 2048, 0.06, 0.125

#: ParaView asks for fewer pictures a second of a view at rest.
AT_REST = 1.0

#: What is changed of a view, and put back: the mode last, since in two dimensions it makes the projection parallel.
CHANGED = (
    *("CameraPosition", "CameraFocalPoint", "CameraViewUp", "CameraViewAngle", "CameraParallelProjection"),
    *("CameraParallelScale", "CenterOfRotation", "InteractionMode"),
)

#: Pictures that follow the camera, by the identities of source and view.
_ties: dict[tuple[str, str], CameraPicture] = {}


class CameraPicture:
    """A plane in a view that shows what its camera sees of a source's radiance field.

    Parameters
    ----------
    reader : the HyperINRSource. It is not kept alive.
    view : the render view.
    """

    def __init__(self, reader: Any, view: Any) -> None:
        self._reader, self._view, self._renderer = weakref.ref(reader), view, view.GetRenderer()
        self._drawn: tuple[Any, ...] | None = None
        self._share = 0.5
        self._before = {name: _plain(view.GetPropertyValue(name)) for name in CHANGED}
        self._image, mapper = vtkImageData(), vtkImageSliceMapper()
        mapper.SetInputData(self._image)
        mapper.BorderOn()  # the plane ends where its outer pixels do, and not in their middle
        self.plane = vtkImageSlice()
        self.plane.SetMapper(mapper)
        self.plane.GetProperty().SetInterpolationTypeToLinear()
        self.plane.UseBoundsOff()
        self.plane.PickableOff()
        self.plane.VisibilityOff()
        self._renderer.AddViewProp(self.plane)
        self._tag = self._renderer.AddObserver("StartEvent", self._follow)

    def remove(self) -> None:
        """Take the plane out of the view, which looks from where it looked."""
        self._end()
        for name, value in self._before.items():
            setattr(self._view, name, value)

    def _end(self) -> None:
        self._renderer.RemoveObserver(self._tag)
        self._renderer.RemoveViewProp(self.plane)

    def _follow(self, *_: Any) -> None:
        """Before each rendering; whatever goes wrong is said, and ends the following."""
        try:
            self._draw()
        except Exception as error:
            self._end()
            tell_error(f"PictureFollowsCamera: off, since {error}")

    def _draw(self) -> None:
        reader, eye = self._reader(), self._renderer.GetActiveCamera()
        model = reader.radiance() if reader is not None else None
        if reader is None or model is None:
            self.plane.VisibilityOff()
            return
        camera = seen_by(eye, self._renderer.GetRenderWindow().GetTileScale()[1])
        theta = tuple(reader.theta_at(self._view.ViewTime))
        moving = self._renderer.GetRenderWindow().GetDesiredUpdateRate() > AT_REST
        width, height = self._renderer.GetSize()
        size = _fitting(width, height, self._share if moving else 1.0)
        drawn = id(model), theta, camera, size
        if drawn != self._drawn:
            begun = time.monotonic()
            pixels = model.render(theta, camera, *size).rgba()
            self._pace(time.monotonic() - begun, size[0] / _fitting(width, height, 1.0)[0])
            self._put(pixels, camera, width / height)
            self._drawn = drawn
        self._keep_in_sight(eye)

    def _pace(self, seconds: float, share: float) -> None:
        self._share = min(1.0, max(LEAST, share * math.sqrt(QUICK / max(seconds, 1e-4))))

    def _put(self, pixels: np.ndarray, camera: Camera, aspect: float) -> None:
        """Put pixels (ny, nx, 4) onto the plane, and the plane before the camera."""
        ny, nx = pixels.shape[:2]
        right, up, towards = camera.frame()
        distance = float(np.linalg.norm(np.subtract(camera.position, camera.focal_point)))
        half = distance * math.tan(math.radians(camera.view_angle / 2)) if camera.view_angle else camera.parallel_scale
        spacing = 2 * half * aspect / nx, 2 * half / ny
        self._image.SetDimensions(nx, ny, 1)
        self._image.SetSpacing(*spacing, 1.0)
        self._image.SetOrigin(spacing[0] / 2 - half * aspect, spacing[1] / 2 - half, 0.0)
        self._image.GetPointData().SetScalars(numpy_to_vtk(pixels.reshape(-1, 4), deep=1))
        self._image.Modified()
        placed = np.eye(4)
        placed[:3] = np.stack([right, up, towards, camera.focal_point], axis=1)
        matrix = vtkMatrix4x4()
        matrix.DeepCopy(placed.ravel().tolist())
        self.plane.SetUserMatrix(matrix)
        self.plane.VisibilityOn()

    @staticmethod
    def _keep_in_sight(eye: Any) -> None:
        """ParaView clips by what its representations hold, which the plane is none of."""
        (near, far), distance = eye.GetClippingRange(), eye.GetDistance()
        if not near < distance < far:
            eye.SetClippingRange(min(near, 0.9 * distance), max(far, 1.1 * distance))


def seen_by(eye: Any, n_tiles: int = 1) -> Camera:
    """A vtkCamera as radiance fields have them.

    Parameters
    ----------
    n_tiles : parts of the height that a picture larger than the window is saved in; the vtkCamera is that of one of them.
    """
    half = n_tiles * math.tan(math.radians(eye.GetViewAngle() / 2))
    # rounded, so that all parts have one camera
    angle = 0.0 if eye.GetParallelProjection() else round(math.degrees(2 * math.atan(half)), 9)
    scale = round(n_tiles * eye.GetParallelScale(), 12) or eye.GetParallelScale()
    return Camera(eye.GetPosition(), eye.GetFocalPoint(), eye.GetViewUp(), angle, scale)


def _plain(value: Any) -> Any:
    """A property's value that does not change with it."""
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _fitting(width: int, height: int, share: float) -> tuple[int, int]:
    scale = share * min(1.0, MOST_PIXELS / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def tie(source: Any, view: Any) -> CameraPicture:
    """Show a source's radiance field in a view as its camera sees it, beginning with the sliders' view.

    Raises
    ------
    DataError for a source that has none in this process.
    """
    source.UpdatePipeline(view.ViewTime)
    reader = source.GetClientSideObject()
    model = reader.radiance() if hasattr(reader, "radiance") else None
    if model is None:
        raise DataError(
            "the active source is no HyperINR Source with a radiance field in this process; expected one, select it in the "
            "pipeline browser"
        )
    picture = CameraPicture(reader, view)
    simple.Hide(source, view)
    camera = model.camera(reader.theta_at(view.ViewTime))
    view.InteractionMode = "3D"
    view.CameraPosition, view.CameraFocalPoint, view.CameraViewUp = camera.position, camera.focal_point, camera.up
    view.CenterOfRotation = camera.focal_point
    view.CameraParallelProjection = int(not camera.view_angle)
    if camera.view_angle:
        view.CameraViewAngle = camera.view_angle
    view.CameraParallelScale = camera.parallel_scale
    return picture


def toggle() -> None:
    """Let the active source's picture follow the camera of the active view, or show it as it was."""
    source, view = simple.GetActiveSource(), simple.GetActiveViewOrCreate("RenderView")
    key = source.GetGlobalIDAsString() if source is not None else "", view.GetGlobalIDAsString()
    try:
        if key in _ties:
            _ties.pop(key).remove()
            simple.Show(source, view)
            tell("PictureFollowsCamera: off")
        elif source is None:
            raise DataError("there is no active source; expected a HyperINR Source, select one in the pipeline browser")
        else:
            _ties[key] = tie(source, view)
            tell("PictureFollowsCamera: on; drag the mouse in the view")
    except HyperINRError as error:
        tell_error(f"PictureFollowsCamera: {error}")
    simple.Render(view)
