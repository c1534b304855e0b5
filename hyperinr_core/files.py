"""Writing files so that the final name always holds something whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hyperinr_core.errors import DataError

#: Seconds between tries to rename on Windows, where nobody else may have the file open: virus scanners do for a moment.
WAITS = (0.05, 0.2, 0.5, 1.0) if sys.platform == "win32" else ()


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well and vanishes when it does not.

    Raises
    ------
    DataError when the folder does not exist, is read-only, or the disk is full.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        _flush(part)
        os.chmod(part, 0o666 & ~_umask())
        rename(part, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well and vanishes when it does not.

    Raises
    ------
    DataError when there is something of that name already, or no room for it.
    """
    path = Path(path)
    if path.exists():
        raise DataError(f"{path} is there already; expected a new folder, choose another name or remove it")
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.absolute().parent))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield part
        os.chmod(part, 0o777 & ~_umask())
        rename(part, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def folder_for(path: str | os.PathLike) -> None:
    """Make a folder where there is none; DataError where it cannot be made."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _cannot_write(Path(path), error) from error


def sharing(path: str | os.PathLike, flags: int) -> int:
    """The `opener` of a file that stays open for reading: its name may be given to another file meanwhile, on Windows too."""
    if sys.platform != "win32":
        return os.open(path, flags)
    import _winapi
    import msvcrt

    share_all = 1 | 2 | 4  # FILE_SHARE_READ, _WRITE and _DELETE, the last of which Python's own does not ask for
    handle = _winapi.CreateFile(os.fspath(path), _winapi.GENERIC_READ, share_all, 0, _winapi.OPEN_EXISTING, 0, 0)
    return msvcrt.open_osfhandle(handle, flags)


def rename(part: Path, path: Path) -> None:
    """Give a file a name, which another may have had, or a folder one that is free; OSError where that cannot be."""
    for seconds in WAITS:
        with contextlib.suppress(PermissionError):
            _replace(part, path)
            return
        time.sleep(seconds)
    os.replace(part, path)


def _replace(part: Path, path: Path) -> None:
    """Windows replaces no file that is open, but gives one that is open with `sharing` another name."""
    try:
        os.replace(part, path)
    except PermissionError:
        old = part.with_suffix(".old")
        os.rename(path, old)
        try:
            os.replace(part, path)
        except OSError:
            os.replace(old, path)
            raise
        with contextlib.suppress(OSError):
            old.unlink()


def _flush(path: Path) -> None:
    """Bring the content to the disk before the rename does, so that a power cut cannot leave an empty file."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _cannot_write(path: Path, error: OSError) -> DataError:
    expected = "a folder that exists, is writable and has room"
    if sys.platform == "win32" and isinstance(error, PermissionError) and path.is_file():
        expected = "a file that no program has open, as ParaView has a large model that it shows"
    return DataError(f"{path} cannot be written ({error.strerror or error}); expected {expected}, nothing was changed")
