"""Triton kernels that carry steps along a motion: `reference.py` is what they compute.

Channels of the coarse lattice are blended along z and y first: a line of nodes for each row of points, which blend four of them.
Where something is read is within its array whatever coordinates say, so that no read is masked.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _weight(f, TAP: tl.constexpr):
    """Of a coefficient of a uniform cubic B-spline at fractions of a cell."""
    if TAP == 0:
        weight = (1 - f) * (1 - f) * (1 - f)
    elif TAP == 1:
        weight = (3 * f - 6) * f * f + 4
    elif TAP == 2:
        weight = 3 * (f + f * f - f * f * f) + 1
    else:
        weight = f * f * f
    return weight * (1 / 6)


@triton.jit
def _weight_of(f, tap):
    """`_weight` of a number that a loop counts, which keeps the kernels short."""
    inner = tl.where(tap == 1, _weight(f, 1), _weight(f, 2))
    return tl.where(tap == 0, _weight(f, 0), tl.where(tap == 3, _weight(f, 3), inner))


@triton.jit
def load_axis(numbers):
    """First and last place, after how many points values repeat, 1 over them, where arrays begin, of an axis."""
    first, last, turn = tl.load(numbers), tl.load(numbers + 1), tl.load(numbers + 2)
    return first, last, turn, tl.load(numbers + 3), tl.load(numbers + 4)


@triton.jit
def _cell(p, axis, size, TAPS: tl.constexpr):
    """The first of TAPS numbers around positions along an axis of an array, and the fraction of a cell."""
    first, last, turn, per_turn, start = axis
    p -= turn * tl.floor((p - first) * per_turn)
    p = tl.minimum(tl.maximum(p, first), last)
    whole = tl.floor(p)
    cell = (whole - start).to(tl.int32) - (TAPS // 2 - 1)
    return tl.minimum(tl.maximum(cell, 0), size - TAPS), p - whole


@triton.jit
def _cubic(array, places, axes, sizes, PLANE: tl.constexpr):
    """The spline of coefficients at places."""
    z, y, x = places
    axis_z, axis_y, axis_x = axes
    depth, height, width = sizes
    cell_y, fy = _cell(y, axis_y, height, 4)
    cell_x, fx = _cell(x, axis_x, width, 4)
    at, fz = cell_y * width + cell_x, fy
    if not PLANE:
        cell_z, fz = _cell(z, axis_z, depth, 4)
        at += cell_z * (height * width)
    t0, t1, t2, t3 = tl.zeros_like(x), tl.zeros_like(x), tl.zeros_like(x), tl.zeros_like(x)
    for c in range(1 if PLANE else 4):
        q0, q1, q2, q3 = tl.zeros_like(x), tl.zeros_like(x), tl.zeros_like(x), tl.zeros_like(x)
        for b in tl.static_range(4):
            row = array + (at + (c * height + b) * width)
            weight = _weight(fy, b)
            q0 += weight * tl.load(row)
            q1 += weight * tl.load(row + 1)
            q2 += weight * tl.load(row + 2)
            q3 += weight * tl.load(row + 3)
        weight = tl.full(x.shape, 1.0, tl.float32) if PLANE else _weight_of(fz, c)
        t0 += weight * q0
        t1 += weight * q1
        t2 += weight * q2
        t3 += weight * q3
    return _weight(fx, 0) * t0 + _weight(fx, 1) * t1 + _weight(fx, 2) * t2 + _weight(fx, 3) * t3


@triton.jit
def _linear(array, places, axes, sizes, PLANE: tl.constexpr):
    """Between values at places."""
    z, y, x = places
    axis_z, axis_y, axis_x = axes
    depth, height, width = sizes
    cell_y, fy = _cell(y, axis_y, height, 2)
    cell_x, fx = _cell(x, axis_x, width, 2)
    at, fz = cell_y * width + cell_x, fy
    if not PLANE:
        cell_z, fz = _cell(z, axis_z, depth, 2)
        at += cell_z * (height * width)
    total = tl.zeros_like(x)
    for c in tl.static_range(1 if PLANE else 2):
        row = array + (at + c * height * width)
        low, high = tl.load(row), tl.load(row + width)
        low += fx * (tl.load(row + 1) - low)
        high += fx * (tl.load(row + width + 1) - high)
        part = low + fy * (high - low)
        if PLANE:
            total = part
        else:
            total += (fz if c else 1 - fz) * part
    return total


@triton.jit
def _own(p, axis, size):
    _first, _last, _turn, _per_turn, start = axis
    return tl.minimum(tl.maximum((p - start).to(tl.int32), 0), size - 1)


@triton.jit
def _in_place(splines, values, places, axes, sizes, PLANE: tl.constexpr, WHOLE: tl.constexpr):
    """Of a step where nothing moves: at points of the grid, which all are when WHOLE, their own values."""
    z, y, x = places
    axis_z, axis_y, axis_x = axes
    depth, height, width = sizes
    at = _own(y, axis_y, height) * width + _own(x, axis_x, width)
    if not PLANE:
        at += _own(z, axis_z, depth) * (height * width)
    found = tl.load(values + at)
    if not WHOLE:
        on_points = (tl.floor(x) == x) & (tl.floor(y) == y) & (tl.floor(z) == z)
        found = tl.where(on_points, found, _cubic(splines, places, axes, sizes, PLANE))
    return found


@triton.jit
def _channel(lines, at, stride, weights, number):
    """A channel of the coarse lattice at points, of lines (16, stride)."""
    place = lines + (at + number * stride)
    w0, w1, w2, w3 = weights
    return w0 * tl.load(place) + w1 * tl.load(place + 1) + w2 * tl.load(place + 2) + w3 * tl.load(place + 3)


@triton.jit(do_not_specialize=["n_points", "nx", "ny", "n_components", "n_nodes", "stride", "depth", "height", "width"])
def carry_kernel(lines, first_nodes, node_weights, z, y, x, numbers,
                 splines_0, splines_1, splines_2, splines_3, values_0, values_1, values_2, values_3,
                 out, n_points, nx, ny, n_components, n_nodes, stride, depth, height, width,
                 STEPS: tl.constexpr, FIRST: tl.constexpr, BENDS: tl.constexpr, PLANE: tl.constexpr, WHOLE: tl.constexpr,
                 BLOCK: tl.constexpr):  # fmt: skip
    """`out` (n_points, n_components): values at points of rows along x, each of which has a line of nodes.

    `numbers` are weights of four steps, the share, the bend, and for z, y, x those of `load_axis`.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_points
    point = tl.where(inside, place, 0)
    row, column = point // nx, point % nx
    here = tl.load(z + row // ny), tl.load(y + row % ny), tl.load(x + column)
    pz, py, px = here
    at, corner = row * n_nodes + tl.load(first_nodes + column), node_weights + 4 * column
    weights = tl.load(corner), tl.load(corner + 1), tl.load(corner + 2), tl.load(corner + 3)
    trust = tl.minimum(tl.maximum(_channel(lines, at, stride, weights, 3), 0.0), 1.0)
    share, bend = tl.load(numbers + 4), tl.load(numbers + 5)
    axes = load_axis(numbers + 6), load_axis(numbers + 11), load_axis(numbers + 16)
    sizes = depth, height, width
    volume = tl.cast(depth, tl.int64) * height * width
    for k in range(n_components):
        linear = tl.zeros_like(px)
        bent, low, high = linear, linear, linear
        carried, least, most = linear, linear, linear
        for j in tl.static_range(STEPS):
            if j == 0:
                splines, values = splines_0, values_0
            elif j == 1:
                splines, values = splines_1, values_1
            elif j == 2:
                splines, values = splines_2, values_2
            else:
                splines, values = splines_3, values_3
            splines += k * volume
            values += k * volume
            weight = tl.load(numbers + j)
            if (j == FIRST or j == FIRST + 1) or BENDS:
                found = _in_place(splines, values, here, axes, sizes, PLANE, WHOLE)
                if j == FIRST:
                    linear = found
                if j == FIRST + 1:
                    linear += share * (found - linear)
                if j == 0:
                    low, high = found, found
                bent += weight * found
                low, high = tl.minimum(low, found), tl.maximum(high, found)
            there = (
                pz + _channel(lines, at, stride, weights, 4 * j),
                py + _channel(lines, at, stride, weights, 4 * j + 1),
                px + _channel(lines, at, stride, weights, 4 * j + 2),
            )
            if j == FIRST or j == FIRST + 1:
                found = _cubic(splines, there, axes, sizes, PLANE)
            else:
                found = _linear(values, there, axes, sizes, PLANE)
            if j == 0:
                least, most = found, found
            carried += weight * found
            least, most = tl.minimum(least, found), tl.maximum(most, found)
        value = linear
        if BENDS:
            value += bend * (tl.minimum(tl.maximum(bent, low), high) - linear)
        value += trust * (tl.minimum(tl.maximum(carried, least), most) - linear)
        tl.store(out + (place * n_components + k), value, mask=inside)


@triton.jit(do_not_specialize=["n_from", "n_to", "length"])
def along_kernel(source, first, weights, out, n_from, n_to, length, TAPS: tl.constexpr, BLOCK: tl.constexpr):
    """`out` (batch, n_to, length): weighted sums of TAPS neighbours of `source` (batch, n_from, length)."""
    row = tl.program_id(0)
    batch, to = row // n_to, row % n_to
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < length
    begin = source + (batch * n_from + tl.load(first + to)).to(tl.int64) * length
    total = tl.zeros((BLOCK,), tl.float32)
    for tap in tl.static_range(TAPS):
        weight = tl.load(weights + TAPS * to + tap)
        total += weight * tl.load(begin + (tap * length + column), mask=inside, other=0)
    tl.store(out + (row.to(tl.int64) * length + column), total, mask=inside)


@triton.jit
def _node(p, axis, size, TAPS: tl.constexpr):
    """The first of the nodes around positions along an axis of a coarse lattice, and the fraction of a cell."""
    first, last, turn, per_turn, scale = axis
    p -= turn * tl.floor(p * per_turn)
    inside = tl.minimum(tl.maximum(p, first), last) * scale
    node = tl.minimum(tl.maximum(tl.floor(inside).to(tl.int32), 0), size - TAPS)
    return node, inside - node.to(tl.float32)


@triton.jit
def _nodes(array, at, fractions, sizes, TAPS_Z: tl.constexpr, TAPS_Y: tl.constexpr, TAPS_X: tl.constexpr):
    """A field of splines on a coarse lattice at places."""
    fz, fy, fx = fractions
    _depth, height, width = sizes
    one = tl.full(fx.shape, 1.0, tl.float32)
    total = tl.zeros_like(fx)
    for c in range(TAPS_Z):
        weight_z = _weight_of(fz, c) if TAPS_Z > 1 else one
        for b in range(TAPS_Y):
            row = array + (at + (c * height + b) * width)
            line = tl.zeros_like(fx)
            for a in tl.static_range(TAPS_X):
                line += (_weight(fx, a) if TAPS_X > 1 else one) * tl.load(row + a)
            total += weight_z * (_weight_of(fy, b) if TAPS_Y > 1 else one) * line
    return total


@triton.jit(do_not_specialize=["n_nodes", "ny", "nx", "depth", "height", "width"])
def now_kernel(coefficients, travelled, z, y, x, numbers, out, n_nodes, ny, nx, depth, height, width,
               STEPS: tl.constexpr, TIMES: tl.constexpr, CHANNELS: tl.constexpr,
               TAPS_Z: tl.constexpr, TAPS_Y: tl.constexpr, TAPS_X: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """`out` (CHANNELS, n_nodes): channels of what is at the nodes of a coarse lattice now, offsets from there.

    Of coefficients (CHANNELS, depth, height, width) by where a path is in the middle of its gap, and (3, depth, height, width) of
    how far it is from there now. `numbers` are for z, y, x those of `load_axis`, the last of which is nodes per point.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_nodes
    node = tl.where(inside, place, 0)
    row = node // nx
    pz, py, px = tl.load(z + row // ny), tl.load(y + row % ny), tl.load(x + node % nx)
    axis_z, axis_y, axis_x = load_axis(numbers), load_axis(numbers + 5), load_axis(numbers + 10)
    sizes, volume = (depth, height, width), depth * height * width
    node_z, fz = _node(pz, axis_z, depth, TAPS_Z)
    node_y, fy = _node(py, axis_y, height, TAPS_Y)
    node_x, fx = _node(px, axis_x, width, TAPS_X)
    for _ in range(TIMES):
        at = (node_z * height + node_y) * width + node_x
        z_there = pz - _nodes(travelled, at, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
        y_there = py - _nodes(travelled + volume, at, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
        x_there = px - _nodes(travelled + 2 * volume, at, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
        node_z, fz = _node(z_there, axis_z, depth, TAPS_Z)
        node_y, fy = _node(y_there, axis_y, height, TAPS_Y)
        node_x, fx = _node(x_there, axis_x, width, TAPS_X)
    place_there = (node_z * height + node_y) * width + node_x
    dz = _nodes(travelled, place_there, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
    dy = _nodes(travelled + volume, place_there, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
    dx = _nodes(travelled + 2 * volume, place_there, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
    for channel in range(CHANNELS):
        axis = channel % 4
        moved = tl.where(axis == 0, dz, tl.where(axis == 1, dy, tl.where(axis == 2, dx, tl.zeros_like(dx))))
        number = _nodes(coefficients + channel * volume, place_there, (fz, fy, fx), sizes, TAPS_Z, TAPS_Y, TAPS_X)
        number -= tl.where(channel < 4 * STEPS, moved, tl.zeros_like(dx))
        tl.store(out + (channel * n_nodes + place), number, mask=inside)
