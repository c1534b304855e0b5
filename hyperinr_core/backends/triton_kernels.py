"""Triton kernels that evaluate a model, and the pieces that training shares with them.

Sizes that are no powers of two are padded to the next one, levels, neurons and outputs alike; what is added is zero and
multiplies zero, so that it changes nothing. `TritonLayout` pads, the kernels only see padded sizes.
"""

from __future__ import annotations

import triton
import triton.language as tl

# The blend is a kernel of its own that writes one table, and decoding reads that table. Fused into decoding, each of the
# 2^D * L gathers of every point would become K of them; blended first, K tables are read once, and the result (about
# 1 MB in half precision) stays in the GPU's level 2 cache while all points read it.


@triton.jit(do_not_specialize=["n_blended"])
def blend_kernel(rows, blended, table, n_params, n_blended, BLOCK: tl.constexpr):
    """table[:] = sum of weights[k] * rows[indices[k]], summed in float32; `blended` has the indices, then the weights' bits."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_params
    total = tl.zeros((BLOCK,), tl.float32)
    for k in range(n_blended):
        row = rows + tl.load(blended + k).to(tl.int64) * n_params
        weight = tl.load(blended + n_blended + k).to(tl.float32, bitcast=True)
        total += weight * tl.load(row + place, mask=inside, other=0).to(tl.float32)
    tl.store(table + place, total.to(table.dtype.element_ty), mask=inside)


@triton.jit
def _locate(x, scales):
    """Lower vertex and fraction (BLOCK, L) of coordinates (BLOCK,): x * scale + 0.5, rounded once."""
    position = tl.fma(x[:, None], scales[None, :], tl.full((x.shape[0], scales.shape[0]), 0.5, tl.float32))
    vertex = tl.floor(position)
    return vertex.to(tl.int32).to(tl.uint32), position - vertex


@triton.jit
def locate_all(x, y, z, scales, D: tl.constexpr):
    """`_locate` along every axis; a plane repeats y where z would be."""
    vx, fx = _locate(x, scales)
    vy, fy = _locate(y, scales)
    if D == 3:
        vz, fz = _locate(z, scales)
    else:
        vz, fz = vy, fy
    return vx, vy, vz, fx, fy, fz


@triton.jit
def entries(x, y, z, strides_y, strides_z, sizes, hashed, D: tl.constexpr):
    """Entry within its level (BLOCK, L) of vertices, all uint32: tiny-cuda-nn's dense index and spatial hash."""
    term = y * strides_y[None, :]
    dense, spread = x + term, x ^ term
    if D == 3:
        term = z * strides_z[None, :]
        dense, spread = dense + term, spread ^ term
    # a dense vertex lies at most one level's size beyond its end, and the size of a hashed level is a power of two
    dense = tl.where(dense >= sizes[None, :], dense - sizes[None, :], dense)
    return tl.where(hashed[None, :] != 0, spread & (sizes[None, :] - 1), dense)


@triton.jit
def corner(CORNER: tl.constexpr, located, geometry, D: tl.constexpr, F: tl.constexpr, WIDE: tl.constexpr):
    """Place in a table of the first feature, and weight, (BLOCK, L) both, of one of the 2^D vertices around points."""
    vx, vy, vz, fx, fy, fz = located
    offsets, sizes, strides_y, strides_z, hashed = geometry
    weight = fx if CORNER & 1 else 1 - fx
    weight *= fy if CORNER & 2 else 1 - fy
    if D == 3:
        weight *= fz if CORNER & 4 else 1 - fz
    x, y, z = vx + (CORNER & 1), vy + (CORNER // 2 & 1), vz + (CORNER // 4 & 1)
    entry = entries(x, y, z, strides_y, strides_z, sizes, hashed, D) + offsets[None, :]
    place = entry.to(tl.int64) if WIDE else entry.to(tl.int32)
    return place * F, weight


@triton.jit
def load_geometry(scales, geometry, L: tl.constexpr):
    """Scales (L,) float32, and offsets, sizes, strides or primes in y and z, and whether hashed, (L,) uint32 each."""
    level = tl.arange(0, L)
    offsets = tl.load(geometry + level).to(tl.uint32)
    sizes = tl.load(geometry + L + level).to(tl.uint32)
    strides_y = tl.load(geometry + 2 * L + level).to(tl.uint32)
    strides_z = tl.load(geometry + 3 * L + level).to(tl.uint32)
    hashed = tl.load(geometry + 4 * L + level).to(tl.uint32)
    return tl.load(scales + level), (offsets, sizes, strides_y, strides_z, hashed)


@triton.jit
def encode(table, located, geometry, inside, N_LEVELS: tl.constexpr, L: tl.constexpr, F: tl.constexpr,
           D: tl.constexpr, WIDE: tl.constexpr):  # fmt: skip
    """Features (BLOCK, L * F) float32 of points; `table` is a pointer, or one for each point as (BLOCK, 1, 1)."""
    BLOCK: tl.constexpr = inside.shape[0]
    feature = tl.arange(0, F)
    # the features of an entry lie side by side, so that one load brings all of them
    wanted = inside[:, None, None] & (tl.arange(0, L) < N_LEVELS)[None, :, None] & (feature >= 0)[None, None, :]
    total = tl.zeros((BLOCK, L, F), tl.float32)
    for c in tl.static_range(1 << D):
        place, weight = corner(c, located, geometry, D, F, WIDE)
        values = tl.load(table + (place[:, :, None] + feature[None, None, :]), mask=wanted, other=0)
        total += weight[:, :, None] * values.to(tl.float32)
    return tl.reshape(total, (BLOCK, L * F))


@triton.jit
def load_layer(matrices, OUT: tl.constexpr, IN: tl.constexpr):
    """A matrix that is stored as (OUT, IN), as (IN, OUT)."""
    return tl.load(matrices + tl.arange(0, OUT)[None, :] * IN + tl.arange(0, IN)[:, None])


@triton.jit
def load_layers(matrices, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr):
    """All matrices, to be kept over many tiles."""
    layers = (load_layer(matrices, N, IN),)
    matrices += N * IN
    for _ in tl.static_range(N_HIDDEN - 1):
        layers = layers + (load_layer(matrices, N, N),)  # type: ignore[assignment] # noqa: RUF005 - it knows no unpacking
        matrices += N * N
    return layers + (load_layer(matrices, C, N),)  # noqa: RUF005


@triton.jit
def _relu(hidden, kind: tl.constexpr, PACKED: tl.constexpr):
    """The positive part, in the matrices' precision; PACKED rounds and cuts two numbers in one instruction."""
    if PACKED:
        return tl.inline_asm_elementwise(
            "cvt.rn.relu.f16x2.f32 $0, $2, $1;", "=r,r,r", [hidden], dtype=tl.float16, is_pure=True, pack=2
        )
    return tl.maximum(hidden, 0).to(kind)


@triton.jit
def network(features, matrices, layers, IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr,
            KEPT: tl.constexpr, PACKED: tl.constexpr):  # fmt: skip
    """(BLOCK, C) float32 of features (BLOCK, IN): products in the matrices' precision, sums in float32.

    Matrices are those of `load_layers`, or are loaded one by one where these are not kept.
    """
    kind = matrices.dtype.element_ty
    hidden = tl.dot(features.to(kind), layers[0] if KEPT else load_layer(matrices, N, IN), input_precision="tf32x3")
    matrices += N * IN
    for number in tl.static_range(1, N_HIDDEN):
        layer = layers[number] if KEPT else load_layer(matrices, N, N)
        hidden = tl.dot(_relu(hidden, kind, PACKED), layer, input_precision="tf32x3")
        matrices += N * N
    layer = layers[N_HIDDEN] if KEPT else load_layer(matrices, C, N)
    return tl.dot(_relu(hidden, kind, PACKED), layer, input_precision="tf32x3")


@triton.jit
def store(out, place, values, inside, n_outputs: tl.constexpr, C: tl.constexpr):
    """Values (BLOCK, C) of points (BLOCK,) into (points, n_outputs)."""
    column = tl.arange(0, C)
    if n_outputs == 1:  # the first column lies in one thread of four: summing beats a way through shared memory
        first = tl.sum(tl.where((column == 0)[None, :], values, 0), 1)
        tl.store(out + place.to(tl.int64), first, mask=inside)
        return
    where = inside[:, None] & (column < n_outputs)[None, :]
    tl.store(out + place[:, None].to(tl.int64) * n_outputs + column[None, :], values, mask=where)


@triton.jit(do_not_specialize=["nx", "ny", "nz", "first_row", "n_points"])
def grid_kernel(table, matrices, scales, geometry, axes, scale, offset, out, nx, ny, nz, first_row, n_points,
                n_outputs: tl.constexpr, N_LEVELS: tl.constexpr, L: tl.constexpr, F: tl.constexpr, D: tl.constexpr,
                IN: tl.constexpr, N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr, WIDE: tl.constexpr,
                BLOCK: tl.constexpr, PACKED: tl.constexpr = False):  # fmt: skip
    """Values of consecutive points of a grid, from row `first_row` of x on, as values * scale + offset.

    `axes` holds the coordinates along x, then y, then z: a point's are read from there, no list of points exists.
    Neighbours along x share vertices, so that their reads meet in the cache.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_points
    row = first_row + place // nx
    x = tl.load(axes + place % nx, mask=inside, other=0)
    y = tl.load(axes + nx + row % ny, mask=inside, other=0)
    z = tl.load(axes + nx + ny + row // ny, mask=inside, other=0) if D == 3 else y
    scales, levels = load_geometry(scales, geometry, L)
    features = encode(table, locate_all(x, y, z, scales, D), levels, inside, N_LEVELS, L, F, D, WIDE)
    values = network(features, matrices, (), IN, N, C, N_HIDDEN, False, PACKED)
    column = tl.arange(0, C)
    factor = tl.load(scale + column, mask=column < n_outputs, other=0)
    summand = tl.load(offset + column, mask=column < n_outputs, other=0)
    store(out, place, values * factor[None, :] + summand[None, :], inside, n_outputs, C)


@triton.jit(do_not_specialize=["n_points"])
def points_kernel(table, matrices, scales, geometry, points, out, n_points, n_outputs: tl.constexpr,
                  N_LEVELS: tl.constexpr, L: tl.constexpr, F: tl.constexpr, D: tl.constexpr, IN: tl.constexpr,
                  N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
                  PACKED: tl.constexpr = False):  # fmt: skip
    """Normalised values at points (n_points, D) in any order."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n_points
    where = points + place.to(tl.int64) * D
    x = tl.load(where, mask=inside, other=0)
    y = tl.load(where + 1, mask=inside, other=0)
    z = tl.load(where + 2, mask=inside, other=0) if D == 3 else y
    scales, levels = load_geometry(scales, geometry, L)
    features = encode(table, locate_all(x, y, z, scales, D), levels, inside, N_LEVELS, L, F, D, WIDE)
    values = network(features, matrices, (), IN, N, C, N_HIDDEN, False, PACKED)
    store(out, place, values, inside, n_outputs, C)
