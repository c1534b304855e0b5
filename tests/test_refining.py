"""A grid that is sampled beside the window."""

from __future__ import annotations

import threading

import pytest

from hyperinr.filters.refining import Refinement
from hyperinr_core.errors import Aborted, DataError


def test_the_result_is_told_once_and_had_whenever():
    begin = threading.Event()
    refinement = Refinement("frame", lambda progress: begin.wait() and 7)
    assert not refinement.lend(0)
    begin.set()
    assert refinement.lend(60) and not refinement.lend(0)
    assert refinement.result(lambda fraction: False) == 7


def test_what_goes_wrong_is_said_where_it_is_waited_for():
    def work(progress):
        raise DataError("no room")

    refinement = Refinement("frame", work)
    with pytest.raises(DataError, match="no room"):
        refinement.result(lambda fraction: False)


def endless(progress):
    while not progress(0.25):
        pass
    raise Aborted("stopped")


def test_it_ends_where_nobody_wants_it_any_more():
    Refinement("frame", endless).stop()
    heard = []
    with pytest.raises(Aborted):
        Refinement("frame", endless).result(lambda fraction: heard.append(fraction) or fraction > 0)
    assert heard[-1] == 0.25
