"""Results that threads compute once, keep, and try again."""

from __future__ import annotations

import pickle
import threading
import time

import pytest

from hyperinr_core.once import Once


def test_a_result_is_computed_once_and_the_oldest_goes():
    once, calls, gate = Once(2), [], threading.Barrier(4)

    def compute():
        calls.append(1)
        time.sleep(0.02)
        return "found"

    def ask():
        gate.wait()
        assert once.get("a", compute) == "found"

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    once.get("b", compute), once.get("a", compute), once.get("c", compute)
    assert len(calls) == 3
    once.get("a", compute)
    assert len(calls) == 3, "it was asked for later than b"
    once.get("b", compute)
    assert len(calls) == 4


def test_what_failed_is_tried_again():
    once, calls = Once(), []

    def compute():
        calls.append(1)
        if len(calls) == 1:
            raise OSError("no such file")
        return "found"

    with pytest.raises(OSError, match="no such file"):
        once.get("a", compute)
    assert once.get("a", compute) == once.get("a", compute) == "found" and len(calls) == 2


def test_one_who_waits_for_what_another_was_stopped_at_does_it_itself():
    once, begun, found = Once(), threading.Event(), []

    def stopped():
        begun.set()
        time.sleep(0.05)
        raise InterruptedError

    def ask():
        with pytest.raises(InterruptedError):
            once.get("a", stopped)

    first = threading.Thread(target=ask)
    first.start()
    begun.wait()
    second = threading.Thread(target=lambda: found.append(once.get("a", lambda: "found")))
    second.start()
    first.join(), second.join()
    assert found == ["found"]


def test_results_do_not_travel():
    once = Once(3)
    once.get("a", lambda: 1)
    assert len(pickle.loads(pickle.dumps(once))) == 0 and len(once) == 1
