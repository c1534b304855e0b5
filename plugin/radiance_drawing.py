"""What `hyperinr view` draws of a model of radiance fields: its pictures, in any size and from as near as one likes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperinr.plugin.drawing import JPEG_QUALITY, item_of, number_of, slider_of, turned_by
from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.look import BACKGROUND
from hyperinr_core.radiance.model import RadianceModel

#: Pixels of a side of a picture, at least and at most.
SIZES = (32, 1024)

ZOOM = item_of("zoom", "zoom", 0.25, 8.0, 1.0)


class RadianceDrawing:
    """A model and how it is drawn, as `drawing.PictureDrawing` is of others; may be asked from several threads."""

    def __init__(self, model: RadianceModel, title: str) -> None:
        self._model, self._title = model, title

    def description(self) -> dict[str, Any]:
        """As `drawing.Shows.description`."""
        return {
            "title": self._title,
            "kind": "radiance",
            "sliders": [slider_of(parameter) for parameter in self._model.parameters],
            "fields": [],
            "view": [ZOOM],
            "colors": {},
            "background": BACKGROUND,
            "turned": turned_by(self._model.parameters),
        }

    def draw(self, values: dict[str, Any], look: dict[str, Any], size: Any) -> tuple[str, bytes]:
        """Media type and bytes of the picture at values by parameter.

        Parameters
        ----------
        look : the zoom alone. size : width and height in pixels, each moved into `SIZES`.

        Raises
        ------
        ParameterError for values, looks or sizes that are none.
        """
        from hyperinr.filters.readers.picture_files import encoded

        theta = self._model.theta({name: number_of(name, value) for name, value in values.items()}, clamp=True)
        if set(look) != {"zoom"} or not isinstance(size, list) or len(size) != 2:
            raise ParameterError(
                f"the page asked for {sorted(look)} and size {size!r:.40}; expected zoom, width, height"
            )
        zoom = float(np.clip(number_of("zoom", look["zoom"]), ZOOM["min"], ZOOM["max"]))
        width, height = (int(np.clip(number_of("size", side), *SIZES)) for side in size)
        pixels = self._model.picture(theta, (width, height), self._model.camera(theta).zoomed(zoom))
        kind = "PNG" if pixels.shape[-1] == 4 else "JPEG"
        return f"image/{kind.lower()}", encoded(pixels, kind, JPEG_QUALITY)
