"""What is written is whole, and others may read it."""

from __future__ import annotations

import os
import sys

import pytest

from hyperinr_core import files
from hyperinr_core.errors import DataError
from hyperinr_core.files import new_folder, replacing, sharing


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has rights of another kind, and a new file those of its folder"
)
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_is_written_has_the_rights_that_the_user_gives_to_new_files(tmp_path, umask):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "file") as part:
            part.write_text("whole")
        with new_folder(tmp_path / "folder") as part:
            (part / "file").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_a_file_that_is_open_for_long_is_replaced_and_still_read(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with open(tmp_path / "file", "rb", opener=sharing) as file:
        with replacing(tmp_path / "file") as part:
            part.write_bytes(b"new")
        assert file.read() == b"old" and (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("n_refused", [1, 100])
def test_on_windows_a_file_that_a_program_has_open_is_tried_again_and_said(tmp_path, monkeypatch, n_refused):
    (tmp_path / "file").write_bytes(b"old")
    refused, replace = [], os.replace

    def replace_or_refuse(part, path):
        if len(refused) < n_refused:
            refused.append(path)
            raise PermissionError(13, "Access is denied")
        replace(part, path)

    def rename(old, new):  # another program's file has another name as little
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(files.os, "replace", replace_or_refuse)
    monkeypatch.setattr(files.os, "rename", rename)
    monkeypatch.setattr(files, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(files.sys, "platform", "win32")
    if n_refused == 1:
        write(tmp_path / "file")
    else:
        with pytest.raises(DataError, match=r"Access is denied.*expected a file that no program has open"):
            write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == (b"new" if n_refused == 1 else b"old")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def write(path):
    with replacing(path) as part:
        part.write_bytes(b"new")
