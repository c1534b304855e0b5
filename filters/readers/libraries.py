"""The libraries that read files, imported when a file is there to be read: viewing a model stays without them."""

from __future__ import annotations

import importlib
from typing import Any

from hyperinr_core.errors import BackendError

#: Packages by their modules, where the names differ.
_PACKAGES = {"nrrd": "pynrrd"}

#: Large packages that few need.
_APART = ("zarr", "cfgrib")


def library(module: str, kind: str) -> Any:
    """A module that reads files of a kind, such as "NIfTI"; BackendError when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BackendError(
            f"{kind} files are read by {_PACKAGES.get(module, module)}, which cannot be imported ({error}); "
            f"run `pip install '{module if module in _APART else 'hyperinr[read]'}'`"
        ) from error
