"""Pictures in PNG and JPEG files: what they hold, and writing them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.files import replacing


def read_picture(path: Path, n_components: int | None = None) -> np.ndarray:
    """(ny, nx, C) uint8 with the lowest row first; C is 3, or 4 where there is transparency, unless told."""
    with _opened(path) as image:
        mode = {3: "RGB", 4: "RGBA"}[n_components or _components(image)]
        try:
            return np.array(image.convert(mode))[::-1]
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(
                f"{path} is no whole picture ({error}); expected a PNG or JPEG file, get it again"
            ) from error


def write_picture(path: str | os.PathLike, pixels: np.ndarray, quality: int = 90) -> None:
    """Write pixels (ny, nx, C) uint8, lowest row first, by the name's suffix, whole or not at all."""
    suffix = Path(path).suffix.lower()
    with replacing(path) as part, open(part, "wb") as file:
        file.write(encoded(pixels, "PNG" if suffix == ".png" else "JPEG", quality))


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Write depths (ny, nx) float32, lowest row first, as a TIFF file of 32 bit floats."""
    with replacing(path) as part, open(part, "wb") as file:
        pillow().fromarray(np.ascontiguousarray(depth[::-1], np.float32)).save(file, "TIFF")


def encoded(pixels: np.ndarray, kind: str, quality: int = 90) -> bytes:
    """Pixels (ny, nx, C) uint8, lowest row first, as the bytes of a PNG or JPEG file."""
    import io

    image = pillow().fromarray(np.ascontiguousarray(pixels[::-1]))
    buffer = io.BytesIO()
    if kind == "PNG":
        image.save(buffer, "PNG", compress_level=6)
    else:
        image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def common_size(table: Path, files: Sequence[Path]) -> tuple[tuple[int, int], int]:
    """Width and height, and components, that all pictures share; only headers are read."""
    sizes: list[tuple[int, int]] = []
    n_components = 3
    for file in files:
        with _opened(file) as image:
            width, height = image.size
            sizes.append((width, height))
            n_components = max(n_components, _components(image))
        if sizes[-1] != sizes[0]:
            raise DataError(
                f"{file} has {width} x {height} pixels, {files[0]} has {sizes[0][0]} x {sizes[0][1]}; "
                "expected pictures of one size, scale or crop them first"
            )
    width, height = sizes[0]
    if min(width, height) < 8:
        raise DataError(f"{table} has pictures of {width} x {height} pixels; expected at least 8 along each side")
    return (width, height), n_components


def _components(image: Any) -> int:
    return 4 if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info else 3


def _opened(path: Path) -> Any:
    try:
        return pillow().open(path)
    except FileNotFoundError:
        raise DataError(f"{path} is not there but the table names it; expected a picture, check the database") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} is no picture ({error}); expected a PNG or JPEG file") from error


def pillow() -> Any:
    """Pillow's Image; HyperINRError where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise HyperINRError("pictures need Pillow, which is not installed; run `pip install pillow`") from None
    return Image
