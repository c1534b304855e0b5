"""Work that several threads share: results in order, and results that are computed once, whoever asks first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def workers(bytes_each: int, memory_bytes: int) -> int:
    """How many threads share work of which each needs memory: one for two processors, since kernels have threads of their own."""
    return max(1, min((os.cpu_count() or 1) // 2, memory_bytes // max(bytes_each, 1)))


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


class Once(Generic[Result]):
    """Results by key; another thread's running computation is awaited.

    Parameters
    ----------
    most : results that stay, those that were asked for last; all when None.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._results: OrderedDict[Hashable, Future[Result]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """The result under a key, or what `compute` returns, which is then the result."""
        with self._lock:
            future: Any = self._results.get(key)
            mine = future is None
            if mine:
                future = self._results[key] = Future()
            self._results.move_to_end(key)
            while self._most is not None and len(self._results) > self._most:
                self._results.popitem(last=False)
        if mine:
            try:
                future.set_result(compute())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._results.clear()
