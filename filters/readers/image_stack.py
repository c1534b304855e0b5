"""Cinema databases, specification A: info.json names the values of parameters and a pattern of the pictures' names."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

from hyperinr_core.errors import DataError
from hyperinr_core.pictures.picture_set import Optics

#: Most pictures of a database.
MOST = 1_000_000


def image_stack(path: Path) -> tuple[list[str], list[list[str]], Optics | None]:
    """Names and cells of a table of the pictures, with a column FILE, and the camera where it is that of two angles.

    Parameters
    ----------
    path : info.json.

    Raises
    ------
    DataError for another document, and for pictures in layers.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        metadata = document.get("metadata", {})
        kind = metadata.get("type", "parametric-image-stack")
        arguments = document["arguments"] if "arguments" in document else document["parameter_list"]
        pattern = document["name_pattern"]
        values = {str(name): list(argument["values"]) for name, argument in arguments.items()}
        layered = kind != "parametric-image-stack" or document.get("associations") or document.get("constraints")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path} is no Cinema database ({error!r}); expected arguments and a name_pattern, specification A"
        ) from error
    if layered:
        raise DataError(
            f"{path} has pictures in layers ({kind}, specification B or C); expected whole pictures, specification A or D, "
            "export it again without composites"
        )
    count = math.prod(map(len, values.values()))
    if count > MOST:
        raise DataError(f"{path} names {count} pictures; expected at most {MOST}")
    try:
        rows = [_row(dict(zip(values, map(str, chosen))), pattern) for chosen in itertools.product(*values.values())]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path} has the name_pattern {pattern!r} ({error!r}); expected the names {', '.join(values)} in braces"
        ) from error
    return [*values, "FILE"], rows, _optics(metadata)


def _row(named: dict[str, str], pattern: str) -> list[str]:
    """Values of parameters, and the picture's name, in which names in braces are values."""
    return [*named.values(), re.sub(r"{([^{}]*)}", lambda match: named[match[1]], pattern)]


def _optics(metadata: dict[str, Any]) -> Optics | None:
    """The camera of ParaView's exporter, whose azimuth counts from x towards y and elevation from there to z."""
    if metadata.get("camera_model") != "phi-theta":
        return None
    angles = {float(angle) for angle in metadata.get("camera_angle") or [30.0]}
    return Optics(angles.pop()) if len(angles) == 1 else None
