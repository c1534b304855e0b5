"""How our VTK algorithms tell what went wrong: one sentence, once, where ParaView shows it."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vtkmodules.vtkCommonCore import vtkOutputWindow


def tell(text: str) -> None:
    """Say something in ParaView's Output Messages; at once also where they go into a file or a pipe."""
    vtkOutputWindow.GetInstance().DisplayText(f"{text}\n")
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no C library of that kind
        ctypes.CDLL(None).fflush(None)  # VTK 9.3 and newer leave it to the end


def tell_error(text: str) -> None:
    """Say what went wrong there."""
    vtkOutputWindow.GetInstance().DisplayErrorText(f"{text}\n")


class Reporting:
    """Errors and warnings of a VTKPythonAlgorithmBase; nothing that a request raises may reach VTK.

    Attributes
    ----------
    LABEL : the proxy's name in messages.
    """

    LABEL = "HyperINR"

    if TYPE_CHECKING:  # what it is mixed into has these
        GetMTime: Any
        HasObserver: Any
        InvokeEvent: Any

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._last_error: tuple[str, int] | None = None

    def _guarded(self, subject: str | None, work: Callable[..., Any], *arguments: Any) -> bool:
        """Do the work; a failure becomes one VTK error about the subject, an abort says nothing."""
        try:
            work(*arguments)
        except Exception as error:  # nothing may escape: VTK would print a traceback and go on
            if type(error).__name__ != "Aborted":
                self._report_once(_sentence(error, subject))
            return False
        return True

    def _report_once(self, message: str) -> None:
        """Report an error unless it is the last one again: VTK asks again and again for an image it did not get."""
        occasion = (message, self.GetMTime())
        if occasion != self._last_error:
            self._last_error = occasion
            self._report("ErrorEvent", message)

    def _report(self, event: str, message: str) -> None:
        """What vtkErrorMacro and vtkWarningMacro do: tell an observer, else ParaView's Output Messages."""
        if self.HasObserver(event):
            self.InvokeEvent(event, message)
        elif event == "ErrorEvent":
            vtkOutputWindow.GetInstance().DisplayErrorText(f"{self.LABEL}: {message}\n")
        else:
            vtkOutputWindow.GetInstance().DisplayWarningText(f"{self.LABEL}: {message}\n")


def _sentence(error: Exception, subject: str | None) -> str:
    """An exception as one sentence for Output Messages."""
    if isinstance(error, ImportError):
        return f"{error}; HyperINR's Python packages are not all visible to ParaView, run `hyperinr doctor`"
    if isinstance(error, MemoryError):
        return f"there is not enough memory for this grid of {subject}; lower Dims or choose a region of interest"
    if isinstance(error, OSError) or type(error).__module__ == "hyperinr_core.errors":
        return str(error)
    return f"{subject}: unexpected {type(error).__name__}: {error}; please report it"
