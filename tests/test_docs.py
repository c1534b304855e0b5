"""What the documentation shows is run, and what it links to is there; that pages and API fit together is `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from carried import carried_model
from series import moving_blob

ROOT = Path(__file__).parent.parent
#: What tools make elsewhere, and names that stand for others.
MADE = {"tests/data/tcnn_numbers.npz", "tests/test_y.py", "tests/test_room_y.py"}
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")])


def test_the_python_of_the_python_page_runs(tmp_path, monkeypatch):
    """In the order of the page but for its first block, which looks at the model that a later one trains."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    load, *others = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    blob = moving_blob(n_steps=6, thetas=np.linspace(0, 1, 6))
    names = {
        "simulate": lambda time: blob.read(round(5 * time), ["density"])[..., 0],
        "carried": carried_model(),
        "points": np.random.default_rng(0).random((20, 3)),
    }
    for block in [*others[:2], load, *others[2:]]:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["volume"].shape == (12, 14, 16, 1) and names["part"].shape == (4, 8, 8, 1)
    assert names["values"].shape == (20, 1) and names["fields"]["density"].shape == (12, 14, 16)
    assert names["moving"].velocity.shape == (8, 10, 12, 3)
    assert names["report"]["trained"]["model"]["psnr"] > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+://|#|mailto:", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    text = page.read_text(encoding="utf-8")
    folders = "benchmarks|docs|examples|filters|hyperinr_core|packaging|plugin|tests|tools|xml"
    for name in re.findall(rf"`((?:{folders})/[\w./]+)`", text):
        assert name in MADE or (ROOT / name).exists(), f"{page.name} names {name}"
