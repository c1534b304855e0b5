"""Batches come in the order of the stream, drawn ahead or not."""

from __future__ import annotations

import numpy as np
import torch

from hyperinr_core.training.feed import Feed
from hyperinr_core.training.samples import Batch


def test_the_feed_brings_the_stream_s_batches_in_order(monkeypatch):
    class Stream:
        closed = False

        def draw(self, iteration):
            part = np.full((1, 2, 3), iteration, np.float32)
            return Batch(np.full((1, 1), iteration), part, part[..., :1], np.ones(1, np.float32))

        def close(self):
            self.closed = True

    from concurrent.futures import ThreadPoolExecutor

    stream = Stream()
    feed = Feed(stream, torch.device("cpu"))
    feed._drawer = ThreadPoolExecutor(1)  # as with CUDA, where batches are drawn ahead
    for iteration in (0, 1, 2, 3, 9, 10, 2):
        thetas, points, targets, weights = feed.draw(iteration)
        assert (points == iteration).all() and (targets == iteration).all() and weights.item() == 1
        assert thetas == iteration
    feed.close()
    assert stream.closed
