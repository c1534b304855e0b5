"""Another reader of motion, written from docs/hinr-format.md alone, point by point: slow, in float64, and of nobody's code."""

from __future__ import annotations

import json
import struct

import numpy as np
import zstandard


class MotionReader:
    """The motion of a file, and values that are carried along it.

    Parameters
    ----------
    data : of the file.
    steps : (N, nz, ny, nx, C) values at the encoders, filled.
    """

    def __init__(self, data: bytes, steps: np.ndarray) -> None:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        document = json.loads(header["__metadata__"]["hinr"])

        def tensor(name, kind):
            first, last = header[name]["data_offsets"]
            return np.frombuffer(data[8 + size + first : 8 + size + last], kind)

        self.steps, self.motion = steps, document["motion"]
        self.times = tensor("encoder_positions", "<f8")
        self.n = document["grid"]["dims"][::-1]
        self.m, self.wraps = self.motion["nodes"][::-1], self.motion["periodic"][::-1]
        self.columns, start = [], 0
        for field in document["fields"]:
            self.columns.append(slice(start, start + field["n_components"]))
            start += field["n_components"]
        shape = [m if wraps or m == 1 else m + 2 for m, wraps in zip(self.m, self.wraps)]
        gaps = len(self.times) - 1
        low, high = np.frombuffer(_content(tensor("motion_paths", "u1")), "u1").astype(int).reshape(2, -1)
        u = low + 256 * high
        numbers = np.where(u % 2 == 0, u // 2, -(u + 1) // 2)
        numbers = np.cumsum(numbers.reshape(len(self.motion["anchored"]), gaps, 2, 3, *shape), axis=-1)
        self.ends = ((numbers + 32768) % 65536 - 32768) * self.motion["step"]
        trust = np.frombuffer(_content(tensor("motion_trust", "u1")), "u1").astype(int)
        self.trust = np.cumsum(trust.reshape(2, len(self.columns), gaps, *shape), axis=-1)[0] % 256 / 255
        self.nodes = [[j / self._scale(a) if m > 1 else 0.0 for j in range(m)] for a, m in enumerate(self.m)]

    def values(self, theta: float, points: np.ndarray, field: int) -> np.ndarray:
        """(n, c) at places (n, 3) z, y, x in points of the grid."""
        times = self.times
        if theta in times:
            return np.stack([self._cubic(int(np.flatnonzero(times == theta)[0]), point, field) for point in points])
        gap = int(np.searchsorted(times, theta)) - 1
        steps = [j for j in range(gap - 1, gap + 3) if 0 <= j < len(times)]
        first = steps.index(gap)
        now = self._now(theta, gap, steps, field)
        return np.stack([self._value_at(theta, point, field, gap, steps, first, now) for point in points])

    def _value_at(self, theta, point, field, gap, steps, first, now):
        times, (offsets, trust) = self.times, now
        here = [self._cubic(j, point, field) for j in steps]
        there = []
        for j, offset in zip(steps, offsets):
            place = point + np.array([self._spline(part, point) for part in offset])
            there.append((self._cubic if j in (gap, gap + 1) else self._linear)(j, place, field))
        weights = _catmull_rom([times[j] for j in steps], theta)
        share = (theta - times[gap]) / (times[gap + 1] - times[gap])
        linear = here[first] + share * (here[first + 1] - here[first])
        q = np.clip(self._spline(trust, point), 0, 1)
        bend = self.motion["bend"][field] if 0 < gap < len(times) - 2 else 0.0
        return linear + bend * (_within(weights, here) - linear) + q * (_within(weights, there) - linear)

    def _now(self, theta, gap, steps, field):
        """Coefficients of the offsets to each step, three each, and of the trust."""
        owner = self.motion["owners"][field]
        fields = {gap: self.ends[owner, gap, 0], gap + 1: self.ends[owner, gap, 1]}
        if gap - 1 in steps:
            fields[gap - 1] = self._onward(fields[gap], self.ends[owner, gap - 1, 1], self.ends[owner, gap - 1, 0])
        if gap + 2 in steps:
            fields[gap + 2] = self._onward(fields[gap + 1], self.ends[owner, gap + 1, 0], self.ends[owner, gap + 1, 1])
        times = [self.times[j] for j in steps]
        first = steps.index(gap)
        if self.motion["anchored"][owner]:
            times.insert(first + 1, (self.times[gap] + self.times[gap + 1]) / 2)
        weights = list(_catmull_rom(times, theta))
        if self.motion["anchored"][owner]:
            del weights[first + 1]

        def at_node(x):
            r = x
            for _ in range(3):
                r = x - sum(w * self._vector(fields[j], r) for w, j in zip(weights, steps))
            found = [self._vector(fields[j], r) for j in steps]
            moved = sum(w * e for w, e in zip(weights, found))
            return np.concatenate([*(e - moved for e in found), [self._spline(self.trust[field, gap], r)]])

        coefficients = self._through(at_node)
        return coefficients[:-1].reshape(len(steps), 3, *coefficients.shape[1:]), coefficients[-1]

    def _onward(self, offset, near, far):
        def at_node(r):
            start = other = r + self._vector(offset, r)
            for _ in range(4):
                other = start - self._vector(near, other)
            return other + self._vector(far, other) - r

        return self._through(at_node)

    def _vector(self, fields, place):
        return np.array([self._spline(part, place) for part in fields])

    def _scale(self, axis):
        n, m = self.n[axis], self.m[axis]
        return m / n if self.wraps[axis] else (m - 1) / (n - 1)

    def _spline(self, coefficients, place):
        for axis in (2, 1, 0):
            m = self.m[axis]
            if m == 1:
                coefficients = np.take(coefficients, 0, axis)
                continue
            if self.wraps[axis]:
                u = (place[axis] % self.n[axis]) * self._scale(axis)
                i = int(np.floor(u))
                four = [k % m for k in range(i - 1, i + 3)]
            else:
                u = np.clip(place[axis], 0, self.n[axis] - 1) * self._scale(axis)
                i = min(int(np.floor(u)), m - 2)
                four = list(range(i, i + 4))
            coefficients = np.tensordot(_weights(u - i), np.take(coefficients, four, axis), axes=(0, axis))
        return float(coefficients)

    def _through(self, at_node):
        """Coefficients (k, cz, cy, cx) through what a function gives (k,) at each node."""
        z, y, x = self.nodes
        values = np.array([[[at_node(np.array([a, b, c])) for c in x] for b in y] for a in z])
        values = np.moveaxis(values, -1, 0)
        for axis, (m, wraps) in enumerate(zip(self.m, self.wraps)):
            if m == 1:
                continue
            matrix = np.zeros((m if wraps else m + 2,) * 2)
            for j in range(m):
                for k in range(3):
                    matrix[j, (j + k - 1) % m if wraps else j + k] += (1, 4, 1)[k] / 6
            right = np.moveaxis(values, axis + 1, 0)
            if not wraps:
                matrix[m, :3] = matrix[m + 1, -3:] = 1, -2, 1
                right = np.concatenate([right, np.zeros((2, *right.shape[1:]))])
            solved = np.linalg.solve(matrix, right.reshape(len(right), -1)).reshape(right.shape)
            values = np.moveaxis(solved, 0, axis + 1)
        return values

    def _four(self, axis, place):
        """The position along an axis, and the points around it."""
        n = self.n[axis]
        p = place[axis] % n if self.wraps[axis] else np.clip(place[axis], 0, n - 1)
        return p - np.floor(p), [int(np.floor(p)) + k for k in (-1, 0, 1, 2)]

    def _value(self, step, axis, i):
        """The index of the value at point i, which may lie beyond the ends."""
        n = self.n[axis]
        if self.wraps[axis] or n == 1:
            return i % n
        i %= 2 * (n - 1)
        return min(i, 2 * (n - 1) - i)

    def _linear(self, step, place, field):
        values = self.steps[step][..., self.columns[field]].astype(float)
        for axis in (2, 1, 0):
            f, four = self._four(axis, place)
            first, second = (np.take(values, self._value(step, axis, i), axis) for i in four[1:3])
            values = first + f * (second - first)
        return values

    def _cubic(self, step, place, field):
        if all(p == int(p) and 0 <= p < n for p, n in zip(place, self.n)):
            return self.steps[step][tuple(int(p) for p in place)][self.columns[field]].astype(float)
        values, z = self.steps[step][..., self.columns[field]].astype(float), np.sqrt(3) - 2
        filters = -6 * z / (1 - z**2) * z ** abs(np.arange(-12, 13))
        for axis in (2, 1, 0):
            f, four = self._four(axis, place)
            if self.n[axis] == 1:
                values = np.take(values, 0, axis)
                continue
            coefficients = 0.0
            for weight, i in zip(_weights(f), four):
                points = [self._value(step, axis, i + k) for k in range(-12, 13)]
                coefficients = coefficients + weight * np.tensordot(filters, np.take(values, points, axis), (0, axis))
            values = coefficients
        return values


def _content(codes):
    return zstandard.ZstdDecompressor().decompress(codes.tobytes())


def _weights(f):
    return np.array([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, 3 * (f + f**2 - f**3) + 1, f**3]) / 6


def _within(weights, values):
    return np.clip(sum(w * v for w, v in zip(weights, values)), np.min(values, axis=0), np.max(values, axis=0))


def _catmull_rom(times, t):
    """A weight for each time: cubic Hermite, slopes across each time's two neighbours, one-sided at the ends."""
    i = int(np.searchsorted(times, t)) - 1 if t not in times else list(times).index(t)
    if times[i] == t:
        return np.eye(len(times))[i]
    h, s = times[i + 1] - times[i], (t - times[i]) / (times[i + 1] - times[i])
    weights = np.zeros(len(times))
    weights[i], weights[i + 1] = (1 + 2 * s) * (1 - s) ** 2, s**2 * (3 - 2 * s)
    for place, share in ((i, s * (1 - s) ** 2), (i + 1, s**2 * (s - 1))):
        low, high = max(place - 1, 0), min(place + 1, len(times) - 1)
        weights[high] += share * h / (times[high] - times[low])
        weights[low] -= share * h / (times[high] - times[low])
    return weights
