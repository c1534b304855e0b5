"""What stands in the way of CUDA here, found out without importing torch where that can be helped.

Importing torch takes seconds, and most machines that only view models have no use for it. So the driver's traces are looked
for first, then torch's among the installed packages; only where both are there is torch asked.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from typing import Any

from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import BackendError

#: What NVIDIA's driver leaves on a machine: its control device, the one of Windows' Linux subsystem, its library on Windows.
DRIVER_TRACES = ("/dev/nvidiactl", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")

#: The oldest cards whose matrix unit takes half precision, which the compiled kernels are made for.
LEAST_CAPABILITY = (7, 0)


def driver_is_present() -> bool:
    """Whether this machine seems to have NVIDIA's driver; costs microseconds."""
    if "torch" in sys.modules:
        return _torch_sees_cuda() or any(map(os.path.exists, DRIVER_TRACES))
    return any(map(os.path.exists, DRIVER_TRACES))


def obstacle() -> str | None:
    """Why CUDA cannot be used here, as the end of a sentence; None when it can."""
    if not driver_is_present():
        return "no NVIDIA driver is found on this machine"
    if "torch" not in sys.modules:
        if not is_installed("torch"):
            return "torch is not installed for this Python"
        if "+cpu" in _version("torch"):
            return f"torch {_version('torch')} is a build without CUDA"
    return _torch_obstacle()


def refuse_guide(config: EncodingConfig, name: str) -> None:
    """Raise BackendError for a model with a guide, whose level is computed on the CPU and not yet laid out for these kernels."""
    if config.guide_resolution:
        raise BackendError(
            f"backend {name!r} knows no guides, which this model has; use 'torch' or 'native', or 'auto'"
        )


def require(name: str) -> None:
    """Raise BackendError unless CUDA can be used and the card is new enough for kernels; `name` is the backend that asks."""
    reason = obstacle()
    if reason:
        raise BackendError(f"the {name} backend needs CUDA, but {reason}; mend that or use backend 'native'")
    import torch

    found = torch.cuda.get_device_capability()
    if found < LEAST_CAPABILITY:
        least, capability = (".".join(map(str, numbers)) for numbers in (LEAST_CAPABILITY, found))
        raise BackendError(
            f"the {name} backend needs a GPU of capability {least} or newer, but {torch.cuda.get_device_name()} has "
            f"{capability}; use backend 'torch' or 'native'"
        )


def device() -> Any:
    """The torch device that GPU backends use; to be asked for after `require`."""
    import torch

    return torch.device("cuda")


def _torch_obstacle() -> str | None:
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    if _torch_sees_cuda():
        return None
    try:
        torch.cuda.init()
    except Exception as error:  # what torch says of a driver too old, or of no device, is RuntimeError or its own
        return f"torch cannot start it ({_first_sentence(error)})"
    return "torch finds no CUDA device"


def _torch_sees_cuda() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver too old is a warning here, and our own sentence later
        return sys.modules["torch"].cuda.is_available() if "torch" in sys.modules else False


def _first_sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0].rstrip(".")


def is_installed(package: str) -> bool:
    """Whether this Python has a package, without importing it."""
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> str:
    from importlib import metadata  # takes a while itself

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def describe() -> list[tuple[str, str, str]]:
    """(subject, what was found, how to mend it or "") of CUDA, Triton and tiny-cuda-nn, for `hyperinr doctor`."""
    reason = obstacle()
    if reason:
        found = [
            ("cuda", f"{reason}; the CPU is used", "" if "no NVIDIA" in reason else "pip install a torch for CUDA")
        ]
    else:
        import torch

        major, minor = torch.cuda.get_device_capability()
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        name = torch.cuda.get_device_name()
        found = [("cuda", f"{name}, {memory:.0f} GB, capability {major}.{minor}, CUDA {torch.version.cuda}", "")]
    for package, mend in (("triton", "it comes with torch's CUDA builds"), ("tinycudann", "optional; docs/gpu.md")):
        there = is_installed(package)
        text = f"{package} {_version(package)}".strip() if there else f"{package} is not installed"
        found.append((package, text, "" if there or reason else mend))
    return found
