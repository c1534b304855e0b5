"""Files with something changed in them, for tests of what a reader says."""

from __future__ import annotations

import json

import pytest
from safetensors.numpy import load_file, save_file

from hyperinr_core import hinr
from hyperinr_core.errors import FormatError


def rewrite(path, change_document=None, change_tensors=None, text=None):
    """Replace a good file by one with a changed document or changed tensors."""
    document, tensors = hinr.read_header(path), load_file(path)
    if change_document:
        change_document(document)
    if change_tensors:
        change_tensors(tensors)
    save_file(tensors, path, metadata={"hinr": text or json.dumps(document)})


def refused(path, case) -> None:
    """One sentence that names the file is all that comes of it, rewritten by (document, tensors, what the sentence says)."""
    *changes, message = case
    rewrite(path, *changes)
    with pytest.raises(FormatError, match=message) as caught:
        hinr.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
