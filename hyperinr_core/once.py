"""Results that are computed once, whichever thread asks first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


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

    def __reduce__(self) -> tuple[Any, ...]:
        return Once, (self._most,)  # results do not travel

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
                with self._lock:  # whoever asks next tries again
                    if self._results.get(key) is future:
                        del self._results[key]
                future.set_exception(error)
        elif future.exception() is not None:  # what stopped another, which may be no concern of this one
            return self.get(key, compute)
        return future.result()

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._results.clear()
