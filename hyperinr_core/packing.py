"""Whole numbers in few bytes: frames of zstandard, which are not believed to hold more than so many times as many bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperinr_core.errors import BackendError, FormatError

#: Bytes that one byte of a frame may stand for. What training writes stays far below; a file that claims more is hostile.
MOST_EXPANSION = 256

#: Bytes of parts that are worth statistics of their own.
LEAST_BLOCK = 1 << 13

#: Zstandard's level: slow to write, as quick to read as any; the one while sizes are tried; and the one that hardly looks for
#: patterns, of which numbers that are nearly random have none.
MOST_EFFORT, QUICK, PLAIN = 19, 3, 1


def packed(content: np.ndarray, what: str, effort: int = MOST_EFFORT) -> np.ndarray:
    """(B,) uint8 of an array's bytes; zeros follow a frame that is so short that a reader would not believe it.

    Parameters
    ----------
    what : of a model is packed, with its verb, such as "mask is".
    """
    frame = zstandard(what).ZstdCompressor(level=effort).compress(np.ascontiguousarray(content).tobytes())
    return np.frombuffer(frame.ljust(-(-content.nbytes // MOST_EXPANSION), b"\0"), np.uint8)


def packed_parts(parts: Sequence[np.ndarray], what: str) -> np.ndarray:
    """The same of uint8 parts one after the other, each of whose numbers are alike, and with a sum that tells damage."""
    library = zstandard(what)
    size = sum(part.size for part in parts)
    # what looks like a short repetition in numbers that are nearly random takes more than the numbers
    parameters = library.ZstdCompressionParameters.from_level(
        MOST_EFFORT, min_match=6, source_size=size, write_checksum=True
    )
    writer, frame, waiting = library.ZstdCompressor(compression_params=parameters).compressobj(size=size), [], 0
    for part in parts:
        frame.append(writer.compress(part.tobytes()))
        waiting += part.size
        if waiting >= LEAST_BLOCK:
            frame.append(writer.flush(library.COMPRESSOBJ_FLUSH_BLOCK))
            waiting = 0
    frame.append(writer.flush())
    return np.frombuffer(b"".join(frame).ljust(-(-size // MOST_EXPANSION), b"\0"), np.uint8)


def content_size(codes: np.ndarray, what: str) -> int:
    """Bytes that a frame says it holds; FormatError, without a file's name, for what is none."""
    library = zstandard(what)
    try:
        return library.frame_content_size(codes)
    except library.ZstdError as error:
        raise FormatError(f"the {what} damaged ({error}); get the file again") from None


def unpacked(codes: np.ndarray, size: int, what: str, expected: str) -> np.ndarray:
    """(size,) uint8 that a frame holds.

    Parameters
    ----------
    expected : whose bytes they are, such as "its 3 sheets".

    Raises
    ------
    FormatError, without a file's name, for other bytes, before memory is taken for them.
    """
    if size > MOST_EXPANSION * codes.size:
        raise FormatError(
            f"{codes.size} coded bytes claim to be {size}; expected at most {MOST_EXPANSION} times as many, get the file again"
        )
    library = zstandard(what)
    try:
        if library.frame_content_size(codes) != size:
            raise FormatError(f"the {what} not the {size} bytes of {expected}; get the file again")
        return np.frombuffer(library.ZstdDecompressor().decompress(codes, max_output_size=size), np.uint8)
    except library.ZstdError as error:
        raise FormatError(f"the {what} damaged ({error}); get the file again") from None


def folded(numbers: np.ndarray) -> np.ndarray:
    """uint16 of int16: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..., so that small numbers of either sign are small."""
    return ((numbers << 1) ^ (numbers >> 15)).astype(np.uint16)


def unfolded(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """int16 of the low and the high bytes of what `folded` gave."""
    both = low.astype(np.uint16) | high.astype(np.uint16) << 8
    return ((both >> 1) ^ -(both & 1)).astype(np.int16)


def zstandard(what: str = "tables are") -> Any:
    """The package; `what` of a model is coded with it.

    Raises BackendError where it is missing.
    """
    try:
        import zstandard
    except ImportError:
        raise BackendError(
            f"the model's {what} coded and the package zstandard is not there to decode them; expected it beside hyperinr, "
            "install it with `pip install zstandard`"
        ) from None
    return zstandard
