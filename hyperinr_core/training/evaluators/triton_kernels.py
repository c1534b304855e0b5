"""Triton kernels for training: loss and all gradients in one pass, and Adam."""

from __future__ import annotations

import triton
import triton.language as tl

from hyperinr_core.backends.triton_kernels import corner, encode, load_geometry, load_layer, locate_all


@triton.jit
def _load_stored(matrices, OUT: tl.constexpr, IN: tl.constexpr):
    """A matrix as it is stored, (OUT, IN)."""
    return tl.load(matrices + tl.arange(0, OUT)[:, None] * IN + tl.arange(0, IN)[None, :])


@triton.jit
def _add_matrix(sums, product, OUT: tl.constexpr, IN: tl.constexpr):
    where = sums + tl.arange(0, OUT)[:, None] * IN + tl.arange(0, IN)[None, :]
    tl.atomic_add(where, product, sem="relaxed")


@triton.jit
def _forward(features, matrices, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr):
    """Values (BLOCK, C) float32, and what every hidden layer gave, the first first."""
    kind = matrices.dtype.element_ty
    hidden = tl.dot(features, load_layer(matrices, N, IN), input_precision="ieee")
    hidden = tl.maximum(hidden, 0).to(kind)
    kept = (hidden,)
    matrices += N * IN
    for _ in tl.static_range(N_HIDDEN - 1):
        hidden = tl.dot(hidden, load_layer(matrices, N, N), input_precision="ieee")
        hidden = tl.maximum(hidden, 0).to(kind)
        kept = kept + (hidden,)  # type: ignore[assignment] # noqa: RUF005 - it knows no unpacking, and unrolls the loop
        matrices += N * N
    return tl.dot(hidden, load_layer(matrices, C, N), input_precision="ieee"), kept


@triton.jit
def _judge(values, targets, where, wanted, weight, KIND: tl.constexpr):
    """Weighted loss terms and their derivatives, (BLOCK, C) both: 0 for l1, 1 for l2, 2 for a given derivative."""
    target = tl.load(targets + where, mask=wanted, other=0)
    error = tl.where(wanted, values - target, 0)
    if KIND == 0:
        terms = weight[:, None] * tl.abs(error)
        slope = tl.where(error > 0, 1.0, tl.where(error < 0, -1.0, 0.0))
    elif KIND == 1:
        terms = weight[:, None] * error * error
        slope = 2 * error
    else:
        terms = tl.zeros_like(error)
        slope = target
    return terms, weight[:, None] * slope


@triton.jit
def _backward(slope, features, kept, matrices, sums, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr,
              N_HIDDEN: tl.constexpr):  # fmt: skip
    """Derivatives by the features (BLOCK, IN) of those by the values (BLOCK, C); adds every matrix' to `sums`."""
    kind = matrices.dtype.element_ty
    OUTER: tl.constexpr = N * IN + (N_HIDDEN - 1) * N * N  # where the last matrix begins
    _add_matrix(sums + OUTER, tl.dot(tl.trans(slope), kept[N_HIDDEN - 1], input_precision="ieee"), C, N)
    slope = tl.dot(slope, _load_stored(matrices + OUTER, C, N), input_precision="ieee")
    for layer in tl.static_range(N_HIDDEN - 2, -1, -1):
        slope = tl.where(kept[layer + 1] > 0, slope, 0).to(kind)
        place = N * IN + layer * N * N
        _add_matrix(sums + place, tl.dot(tl.trans(slope), kept[layer], input_precision="ieee"), N, N)
        slope = tl.dot(slope, _load_stored(matrices + place, N, N), input_precision="ieee")
    slope = tl.where(kept[0] > 0, slope, 0).to(kind)
    _add_matrix(sums, tl.dot(tl.trans(slope), features, input_precision="ieee"), N, IN)
    return tl.dot(slope, _load_stored(matrices, N, IN), input_precision="ieee")


# A program takes one tile of points and adds its share to the gradients in memory. Programs that take several tiles and hold
# the matrices' sums in registers between them would add less often, but for the default network the compiler then spills
# 1288 bytes a thread where it spills 120 now (capability 9.0, Triton 3.7.1), and keeps every matrix in shared memory.


@triton.jit
def loss_kernel(tables, matrices, scales, geometry, points, targets, weights, grad_tables, grad_matrices, losses,
                n_scenes, n_points, n_params, n_outputs, gain, KIND: tl.constexpr, N_LEVELS: tl.constexpr,
                L: tl.constexpr, F: tl.constexpr, D: tl.constexpr, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr,
                N_HIDDEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Sums over all points of the loss, and gain times its derivatives by tables and matrices."""
    kind = matrices.dtype.element_ty
    scales, levels = load_geometry(scales, geometry, L)
    column, feature = tl.arange(0, C), tl.arange(0, F)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_scenes * n_points
    scene = tl.where(inside, place // n_points, 0)
    where = points + place.to(tl.int64) * D
    x = tl.load(where, mask=inside, other=0)
    y = tl.load(where + 1, mask=inside, other=0)
    z = tl.load(where + 2, mask=inside, other=0) if D == 3 else y
    located = locate_all(x, y, z, scales, D)
    shift = (scene.to(tl.int64) * n_params)[:, None, None]
    features = encode(tables + shift, located, levels, inside, N_LEVELS, L, F, D, WIDE).to(kind)
    values, kept = _forward(features, matrices, IN, N, C, N_HIDDEN)

    wanted = inside[:, None] & (column < n_outputs)[None, :]
    where = place[:, None].to(tl.int64) * n_outputs + column[None, :]
    terms, slope = _judge(values, targets, where, wanted, tl.load(weights + scene), KIND)
    tl.store(losses + tl.program_id(0), tl.sum(terms))
    slope = (tl.where(wanted, slope, 0) * gain).to(kind)
    slope = _backward(slope, features, kept, matrices, grad_matrices, IN, N, C, N_HIDDEN)

    slope = tl.reshape(slope, (BLOCK, L, F))
    used = inside[:, None, None] & (tl.arange(0, L) < N_LEVELS)[None, :, None] & (feature >= 0)[None, None, :]
    for c in tl.static_range(1 << D):
        entry, weight = corner(c, located, levels, D, F, WIDE)
        where = grad_tables + shift + (entry[:, :, None] + feature[None, None, :])
        tl.atomic_add(where, weight[:, :, None] * slope, mask=used, sem="relaxed")


@triton.jit
def adam_kernel(values, grads, m, v, n, grad_scale, rate, beta1, beta2, eps, BLOCK: tl.constexpr):
    """One step of Adam on values in place; `rate` holds the step's bias corrections."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    grad = grad_scale * tl.load(grads + place, mask=inside, other=0)
    old_m, old_v = tl.load(m + place, mask=inside, other=0), tl.load(v + place, mask=inside, other=0)
    new_m = grad + beta1 * (old_m - grad)
    new_v = grad * grad + beta2 * (old_v - grad * grad)
    value = tl.load(values + place, mask=inside, other=0)
    tl.store(m + place, new_m, mask=inside)
    tl.store(v + place, new_v, mask=inside)
    tl.store(values + place, value - rate * new_m / (tl.sqrt(new_v) + eps), mask=inside)
