"""Work that several threads share: results in the order of what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hyperinr_core.backends import native

Item = TypeVar("Item")
Result = TypeVar("Result")


def workers(bytes_each: int, memory_bytes: int) -> int:
    """How many threads share work of which each needs memory: one for two processors, since kernels have threads of their own."""
    return max(1, min(native.n_threads() // 2, memory_bytes // max(bytes_each, 1)))


def in_order(work: Callable[[Item], Result], items: Sequence[Item], n_workers: int) -> Iterator[Result]:
    """What work makes of each item, the first first; no other thread where there is one worker.

    What is not begun is not done any more after an exception, of the work or where its results are used.
    """
    if n_workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_workers, "hyperinr-work") as pool:
        pending = [pool.submit(work, item) for item in items]
        try:
            for future in pending:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
