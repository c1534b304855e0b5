"""What is written is whole, and others may read it."""

from __future__ import annotations

import os

import pytest

from hyperinr_core.files import new_folder, replacing


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
