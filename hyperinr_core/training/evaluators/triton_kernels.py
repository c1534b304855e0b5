"""Triton kernels for training: points are encoded, a network learns from the features, slopes are scattered, and Adam.

Three launches instead of one, because they want different things. Gathers and atomic additions hide their latency behind many
threads with few registers; the network's matrices want large tiles and all registers there are. Between them travel a few
bytes for each feature, which stay in the level 2 cache for most batches.

Numbers that differ from batch to batch compile no variants of their own, so that a model has one of each kernel.
"""

from __future__ import annotations

import triton
import triton.language as tl

from hyperinr_core.backends.triton_kernels import entries, load_layer, locate_all

#: How products of float32 are made: of three of TF32, on the matrix units, where exact ones would fill pages of code.
PRODUCTS = tl.constexpr("tf32x3")

#: Arguments that differ from batch to batch.
VARYING = ["n_points", "n_all", "n_scenes", "n_entries", "n_levels", "n_coarse_levels", "n_coarse", "n_copies", "n_turns",
           "n_blended", "loss_kind", "n_values", "keep_zeros"]  # fmt: skip


@triton.jit
def _locate_level(scales, geometry, level, points, place, inside, L: tl.constexpr, D: tl.constexpr):
    """What `_corner` takes of (BLOCK,) points, and of one level."""
    only = level + tl.arange(0, 1)
    offsets = tl.load(geometry + only).to(tl.uint32)
    sizes = tl.load(geometry + L + only).to(tl.uint32)
    strides_y = tl.load(geometry + 2 * L + only).to(tl.uint32)
    strides_z = tl.load(geometry + 3 * L + only).to(tl.uint32)
    hashed = tl.load(geometry + 4 * L + only).to(tl.uint32)
    where = points + place.to(tl.int64) * D
    x = tl.load(where, mask=inside, other=0)
    y = tl.load(where + 1, mask=inside, other=0)
    z = tl.load(where + 2, mask=inside, other=0) if D == 3 else y
    located = locate_all(x, y, z, tl.load(scales + only), D)
    return located, (offsets, sizes, strides_y, strides_z, hashed)


# Two lanes take a point, one for each of the vertices along x: a dense level keeps these side by side, so that one instruction
# reads or adds to both in a row, and the memory sees half as many requests.


@triton.jit
def _pairs(n_points, block, BLOCK: tl.constexpr):
    """Points, and whether that is one of a block, of lanes (2 * BLOCK,); a lane's vertex along x is its last bit."""
    lane = tl.arange(0, 2 * BLOCK)
    place = block * BLOCK + lane // 2
    return place, place < n_points, lane % 2


@triton.jit
def _corner(CORNER: tl.constexpr, located, bit, geometry, D: tl.constexpr, F: tl.constexpr, WIDE: tl.constexpr):
    """Place in a table of the first feature, and weight, (2 * BLOCK, 1) both, of one of the 2^(D - 1) pairs around points."""
    vx, vy, vz, fx, fy, fz = located
    offsets, sizes, strides_y, strides_z, hashed = geometry
    weight = tl.where(bit[:, None] == 1, fx, 1 - fx)
    weight *= fy if CORNER & 1 else 1 - fy
    if D == 3:
        weight *= fz if CORNER & 2 else 1 - fz
    x, y, z = vx + bit[:, None].to(tl.uint32), vy + (CORNER & 1), vz + (CORNER // 2 & 1)
    entry = entries(x, y, z, strides_y, strides_z, sizes, hashed, D) + offsets[None, :]
    place = entry.to(tl.int64) if WIDE else entry.to(tl.int32)
    return place * F, weight


@triton.jit(do_not_specialize=VARYING)
def encode_kernel(tables, scales, geometry, points, features, n_points, n_entries, L: tl.constexpr, F: tl.constexpr,
                  D: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Features (levels, scenes * n_points, F) of points; a program takes a block of one scene at one level."""
    level, scene = tl.program_id(1), tl.program_id(2).to(tl.int64)
    place, inside, bit = _pairs(n_points, tl.program_id(0), BLOCK)
    feature = tl.arange(0, F)
    points += scene * n_points * D
    located, numbers = _locate_level(scales, geometry, level, points, place, inside, L, D)
    tables += scene * n_entries * F
    # the features of an entry lie side by side, so that one load brings all of them
    wanted = inside[:, None, None] & (feature >= 0)[None, None, :]
    total = tl.zeros((2 * BLOCK, 1, F), tl.float32)
    for c in tl.static_range(1 << (D - 1)):
        entry, weight = _corner(c, located, bit, numbers, D, F, WIDE)
        total += weight[:, :, None] * tl.load(tables + (entry[:, :, None] + feature), mask=wanted, other=0)
    total = tl.sum(tl.reshape(total, (BLOCK, 2, F)), 1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    features += (level * tl.num_programs(2).to(tl.int64) + scene) * n_points * F
    where = features + place.to(tl.int64)[:, None] * F + feature
    tl.store(where, total.to(features.dtype.element_ty), mask=(place < n_points)[:, None])


# The entries of a coarse level are few, and every point of a batch adds to them: 64 of them would take two million additions one
# after the other. So each coarse level has copies, of which a program takes one, and the copies are summed afterwards.


@triton.jit(do_not_specialize=VARYING)
def scatter_kernel(scales, geometry, points, slopes, grad_tables, copies, n_points, n_entries, n_levels, n_coarse_levels,
                   n_coarse, n_copies, factor, L: tl.constexpr, F: tl.constexpr, D: tl.constexpr, WIDE: tl.constexpr,
                   BLOCK: tl.constexpr):  # fmt: skip
    """Adds factor times derivatives by the tables' first levels, of which slopes are those by `encode_kernel`'s features.

    Those of the coarse levels, of n_coarse entries, go to copies (scenes, n_copies, n_coarse, F), the others to grad_tables.
    """
    # levels alternate, so that not all programs add to the few entries of one at a time
    level, block, scene = tl.program_id(0) % n_levels, tl.program_id(0) // n_levels, tl.program_id(1).to(tl.int64)
    place, inside, bit = _pairs(n_points, block, BLOCK)
    feature = tl.arange(0, F)
    points += scene * n_points * D
    located, numbers = _locate_level(scales, geometry, level, points, place, inside, L, D)
    grads = grad_tables + scene * n_entries * F
    if level < n_coarse_levels:
        grads = copies + (scene * n_copies + block % n_copies) * n_coarse * F
    slopes += (level * tl.num_programs(1).to(tl.int64) + scene) * n_points * F
    wanted = inside[:, None, None] & (feature >= 0)[None, None, :]
    where = slopes + place.to(tl.int64)[:, None, None] * F + feature
    slope = tl.load(where, mask=wanted, other=0).to(tl.float32) * factor
    for c in tl.static_range(1 << (D - 1)):
        entry, weight = _corner(c, located, bit, numbers, D, F, WIDE)
        tl.atomic_add(grads + (entry[:, :, None] + feature), weight[:, :, None] * slope, mask=wanted, sem="relaxed")


@triton.jit
def _load_stored(matrices, OUT: tl.constexpr, IN: tl.constexpr):
    """A matrix as it is stored, (OUT, IN)."""
    return tl.load(matrices + tl.arange(0, OUT)[:, None] * IN + tl.arange(0, IN)[None, :])


@triton.jit
def _add_matrix(sums, product, OUT: tl.constexpr, IN: tl.constexpr):
    where = sums + tl.arange(0, OUT)[:, None] * IN + tl.arange(0, IN)[None, :]
    tl.atomic_add(where, product, sem="relaxed")


@triton.jit
def _learn_matrix(sums, factor, slope, inputs, held, OUT: tl.constexpr, IN: tl.constexpr, HELD: tl.constexpr):
    """A tile's share of a matrix' derivatives: on top of what is held, or into memory at once."""
    if HELD:
        held = tl.dot(tl.trans(slope), inputs, held, input_precision=PRODUCTS)
    else:
        _add_matrix(sums, factor * tl.dot(tl.trans(slope), inputs, input_precision=PRODUCTS), OUT, IN)
    return held


@triton.jit
def _forward(features, matrices, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr):
    """Values (BLOCK, C) float32, and what every hidden layer gave, the first first."""
    kind = matrices.dtype.element_ty
    hidden = tl.dot(features, load_layer(matrices, N, IN), input_precision=PRODUCTS)
    hidden = tl.maximum(hidden, 0).to(kind)
    kept = (hidden,)
    matrices += N * IN
    for _ in tl.static_range(N_HIDDEN - 1):
        hidden = tl.dot(hidden, load_layer(matrices, N, N), input_precision=PRODUCTS)
        hidden = tl.maximum(hidden, 0).to(kind)
        kept = kept + (hidden,)  # type: ignore[assignment] # noqa: RUF005 - it knows no unpacking, and unrolls the loop
        matrices += N * N
    return tl.dot(hidden, load_layer(matrices, C, N), input_precision=PRODUCTS), kept


@triton.jit
def _judge(values, targets, where, wanted, weight, kind):
    """Weighted loss terms and their derivatives, (BLOCK, C) both: 0 for l1, 1 for l2, 2 for a given derivative."""
    target = tl.load(targets + where, mask=wanted, other=0)
    error = tl.where(wanted, values - target, 0)
    sign = tl.where(error > 0, 1.0, tl.where(error < 0, -1.0, 0.0))
    terms = tl.where(kind == 0, tl.abs(error), tl.where(kind == 1, error * error, 0.0))
    slope = tl.where(kind == 0, sign, tl.where(kind == 1, 2 * error, target))
    return weight[:, None] * terms, weight[:, None] * tl.where(wanted, slope, 0)


@triton.jit(do_not_specialize=VARYING)
def network_kernel(features, matrices, targets, weights, sums, losses, n_all, n_points, n_outputs, n_turns, loss_kind,
                   gain, factor, loss_factor, N_LEVELS: tl.constexpr, F: tl.constexpr, IN: tl.constexpr, N: tl.constexpr,
                   C: tl.constexpr, N_HIDDEN: tl.constexpr, HELD: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Adds factor times the derivatives of the loss' sum by the matrices to sums, and loss_factor times that sum to losses.

    Gain times the derivatives by the features take their place. A program takes every so many tiles of points; where HELD,
    it keeps its share of the matrices' derivatives in registers meanwhile.
    """
    kind = matrices.dtype.element_ty
    OUTER: tl.constexpr = N * IN + (N_HIDDEN - 1) * N * N  # where the last matrix begins
    column, lane = tl.arange(0, C), tl.arange(0, IN)
    first, last, middle = tl.zeros((N, IN), tl.float32), tl.zeros((C, N), tl.float32), ()
    for _ in tl.static_range(N_HIDDEN - 1):
        middle = middle + (tl.zeros((N, N), tl.float32),)  # type: ignore[assignment] # noqa: RUF005
    total = tl.zeros((BLOCK,), tl.float32)
    for turn in range(n_turns):
        tile = tl.program_id(0) + turn * tl.num_programs(0)
        place = tile.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        inside = place < n_all
        known = inside[:, None] & (lane // F < N_LEVELS)[None, :]
        at = features + ((lane // F)[None, :] * n_all.to(tl.int64) + place[:, None]) * F + (lane % F)[None, :]
        given = tl.load(at, mask=known, other=0)
        values, kept = _forward(given, matrices, IN, N, C, N_HIDDEN)
        wanted = inside[:, None] & (column < n_outputs)[None, :]
        weight = tl.load(weights + place // n_points, mask=inside, other=0)
        terms, slope = _judge(values, targets, place[:, None] * n_outputs + column, wanted, weight, loss_kind)
        total += tl.sum(terms, 1)
        slope = (slope * gain).to(kind)
        last = _learn_matrix(sums + OUTER, factor, slope, kept[N_HIDDEN - 1], last, C, N, HELD)
        slope = tl.dot(slope, _load_stored(matrices + OUTER, C, N), input_precision=PRODUCTS)
        learnt = ()
        for layer in tl.static_range(N_HIDDEN - 2, -1, -1):
            slope = tl.where(kept[layer + 1] > 0, slope, 0).to(kind)
            start = N * IN + layer * N * N
            held = _learn_matrix(sums + start, factor, slope, kept[layer], middle[layer], N, N, HELD)
            learnt = (held,) + learnt  # type: ignore[assignment] # noqa: RUF005
            slope = tl.dot(slope, _load_stored(matrices + start, N, N), input_precision=PRODUCTS)
        middle = learnt
        slope = tl.where(kept[0] > 0, slope, 0).to(kind)
        first = _learn_matrix(sums, factor, slope, given, first, N, IN, HELD)
        slope = tl.dot(slope, _load_stored(matrices, N, IN), input_precision=PRODUCTS)
        tl.store(at, slope.to(kind), mask=known)
    if HELD:
        _add_matrix(sums, factor * first, N, IN)
        for layer in tl.static_range(N_HIDDEN - 1):
            _add_matrix(sums + N * IN + layer * N * N, factor * middle[layer], N, N)
        _add_matrix(sums + OUTER, factor * last, C, N)
    tl.atomic_add(losses, loss_factor * tl.sum(total), sem="relaxed")


@triton.jit(do_not_specialize=VARYING)
def blend_rows_kernel(tables, numbers, blended, n, n_given, n_scenes, n_blended, BLOCK: tl.constexpr):
    """Sums of n_blended rows of tables (N, n) each, as the first n numbers of rows of blended (n_scenes, n_given).

    Numbers are int32 and float32 of as many bits: each sum's rows, then each sum's weights.
    """
    scene = tl.program_id(1)
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    total = tl.zeros((BLOCK,), tl.float32)
    for k in range(n_blended):
        number = numbers + scene * n_blended + k
        row = tables + tl.load(number).to(tl.int64) * n
        weight = tl.load(number + n_scenes * n_blended).to(tl.float32, bitcast=True)
        total += weight * tl.load(row + place, mask=inside, other=0)
    tl.store(blended + scene.to(tl.int64) * n_given + place, total, mask=inside)


@triton.jit(do_not_specialize=VARYING)
def draw_kernel(points, values, numbers, drawn, targets, n_points, n_values, n_outputs, D: tl.constexpr,
                BLOCK: tl.constexpr):  # fmt: skip
    """Some of the points (n_values, D) and their values (steps, n_values, n_outputs), as `resident.scattered` draws them.

    Numbers are int32: the lower and the upper half of a seed, then each scene's step. Drawn (scenes, n_points, D) and targets
    (scenes, n_points, n_outputs) get them.
    """
    scene = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_points
    place = scene.to(tl.int64) * n_points + place
    low = tl.load(numbers).to(tl.uint32, bitcast=True).to(tl.uint64)
    high = tl.load(numbers + 1).to(tl.uint32, bitcast=True).to(tl.uint64)
    mixed = (low | (high << 32)) + (place + 1).to(tl.uint64) * 0x9E3779B97F4A7C15
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB
    index = ((((mixed ^ (mixed >> 31)) >> 32) * n_values.to(tl.uint64)) >> 32).to(tl.int64)
    for axis in tl.static_range(D):
        coordinate = tl.load(points + index * D + axis, mask=inside, other=0)
        tl.store(drawn + place * D + axis, coordinate, mask=inside)
    index += tl.load(numbers + 2 + scene).to(tl.int64) * n_values
    for k in range(n_outputs):
        value = tl.load(values + index * n_outputs + k, mask=inside, other=0)
        tl.store(targets + place * n_outputs + k, value, mask=inside)


@triton.jit
def _step(values, m, v, place, inside, grad, rate, beta1, beta2, eps, keep_zeros):
    """One step of Adam on values in place; `rate` holds the step's bias corrections."""
    old_m, old_v = tl.load(m + place, mask=inside, other=0), tl.load(v + place, mask=inside, other=0)
    new_m = grad + beta1 * (old_m - grad)
    new_v = grad * grad + beta2 * (old_v - grad * grad)
    value = tl.load(values + place, mask=inside, other=0)
    tl.store(m + place, new_m, mask=inside)
    tl.store(v + place, new_v, mask=inside)
    new = value - rate * new_m / (tl.sqrt(new_v) + eps)
    tl.store(values + place, tl.where((value == 0) & (keep_zeros != 0), 0.0, new), mask=inside)


@triton.jit
def adam_kernel(values, grads, m, v, n, grad_scale, rate, beta1, beta2, eps, BLOCK: tl.constexpr):
    """One step of Adam."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    grad = grad_scale * tl.load(grads + place, mask=inside, other=0)
    _step(values, m, v, place, inside, grad, rate, beta1, beta2, eps, 0)


@triton.jit(do_not_specialize=VARYING)
def adam_rows_kernel(values, grads, m, v, numbers, n, n_given, n_scenes, keep_zeros, beta1, beta2, eps,
                     BLOCK: tl.constexpr):  # fmt: skip
    """One step of Adam on some rows of values (N, n), each with a sum of grads (n_scenes, n_given); zeros may have to stay so.

    Numbers are int32 and float32 of as many bits: the rows, each one's rate, and the weights of its sum. A row below 0 is none.
    """
    row, n_rows = tl.program_id(1), tl.num_programs(1)
    stepped = tl.load(numbers + row)
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = (place < n) & (stepped >= 0)
    grad = tl.zeros((BLOCK,), tl.float32)
    for scene in range(n_scenes):
        weight = tl.load(numbers + 2 * n_rows + row * n_scenes + scene).to(tl.float32, bitcast=True)
        if weight != 0:  # most scenes are blended of few rows
            grad += weight * tl.load(grads + place, mask=inside, other=0)
        grads += n_given
    place += stepped.to(tl.int64) * n
    rate = tl.load(numbers + n_rows + row).to(tl.float32, bitcast=True)
    _step(values, m, v, place, inside, grad, rate, beta1, beta2, eps, keep_zeros)
