"""Fits of radiance fields, one after the other, that a run which was stopped goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperinr_core.radiance.field import RadianceField
from hyperinr_core.radiance.fit import Fit, arrays_of, field_of
from hyperinr_core.training import checkpoint
from hyperinr_core.training.watch import Clock, Interrupted, StopRequest


class KeptFits:
    """The state of the fit under way in one file, and each finished field in one beside it.

    Parameters
    ----------
    path : of the state; None keeps nothing.
    digest : of the data and settings.

    Raises
    ------
    DataError for a state of other data or settings, or a damaged one.
    """

    def __init__(self, path: Path | None, digest: str) -> None:
        self._path, self._digest = path, digest
        self._state, self._number = ({}, 0) if path is None or not path.exists() else checkpoint.read(path, digest)

    def finished(self, number: int) -> RadianceField | None:
        """The field of a scene whose fit has ended."""
        if self._path is None or number >= self._number:
            return None
        return field_of(checkpoint.read(finished_path(self._path, number), self._digest)[0])

    def run(self, number: int, fit: Fit, stop: StopRequest, progress: Callable[[float], object]) -> RadianceField:
        """The field of a scene, from where its fit was or from the start; Interrupted when it is asked to stop."""
        if self._state:
            fit.resume(self._state)
            self._state = {}
        clock = Clock(0, 1)
        while not fit.is_over:
            if stop.asked or clock.checkpoint_is_due():
                self._keep(fit.state(), number)
            if stop.asked:
                raise Interrupted()
            fit.advance()
            progress(fit.share)
        field = fit.field
        if self._path is not None:
            self._path.parent.mkdir(exist_ok=True)
            checkpoint.write(finished_path(self._path, number), arrays_of(field), number, self._digest)
        self._keep({}, number + 1)
        return field

    def _keep(self, state: dict, number: int) -> None:
        if self._path is not None:
            self._path.parent.mkdir(exist_ok=True)
            checkpoint.write(self._path, state, number, self._digest)


def finished_path(path: Path, number: int) -> Path:
    """Where the field of a finished scene is kept."""
    return Path(f"{path}.{number}")


def forget(path: Path) -> None:
    """Drop all that was kept, the state first: without it nothing else is looked at."""
    path.unlink(missing_ok=True)
    number = 0
    while finished_path(path, number).exists():
        finished_path(path, number).unlink()
        number += 1
