"""The libraries that read files, imported when a file is there to be read: viewing a model stays without them."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from hyperinr_core.errors import BackendError

#: Packages by their modules, where the names differ.
_PACKAGES = {"nrrd": "pynrrd"}

#: Large packages that few need.
_APART = ("zarr", "cfgrib")

#: Loggers that print what is wrong with a file, which is said in one sentence anyway.
_LOGGERS = {"tifffile": "tifffile", "nibabel": "nibabel.global"}


def library(module: str, kind: str) -> Any:
    """A module that reads files of a kind, such as "NIfTI"; BackendError when it is not installed."""
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        raise BackendError(
            f"{kind} files are read by {_PACKAGES.get(module, module)}, which cannot be imported ({error}); "
            f"run `pip install '{module if module in _APART else 'hyperinr[read]'}'`"
        ) from error
    if module in _LOGGERS:
        logging.getLogger(_LOGGERS[module]).setLevel(logging.CRITICAL)
    return imported


def in_one_line(error: Exception) -> str:
    """What a library says of a file, as a part of a sentence."""
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split()).rstrip(".")
