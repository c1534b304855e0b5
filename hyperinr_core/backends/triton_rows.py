"""Triton kernel that decodes a grid row by row along x.

All points of a row share y and z. So what the vertices of a level hold is blended in y and z once for each vertex that the row
touches, and a point blends two of those along x: of 2^D gathers from the table a level and point, two short reads remain, which
lie side by side for neighbouring points.
"""

from __future__ import annotations

import triton
import triton.language as tl

from hyperinr_core.backends.triton_kernels import load_layers, network, store


@triton.jit
def _blend_slots(table, geometry, slots, terms, parts, rows, first_row, count, ny, n_slots, block,
                 L: tl.constexpr, F: tl.constexpr, D: tl.constexpr, WIDE: tl.constexpr, SLOTS: tl.constexpr):  # fmt: skip
    """`rows[row, slot] =` what the table holds at a slot's vertex, blended in y and z, for one block of slots of some rows."""
    slot, feature = block * SLOTS + tl.arange(0, SLOTS), tl.arange(0, F)
    inside = slot < n_slots
    x = tl.load(slots + slot, mask=inside, other=0).to(tl.uint32)
    level = tl.load(slots + n_slots + slot, mask=inside, other=0)
    first, size = tl.load(geometry + level).to(tl.uint32), tl.load(geometry + L + level).to(tl.uint32)
    factor_y, factor_z = tl.load(geometry + 2 * L + level), tl.load(geometry + 3 * L + level)
    hashed = tl.load(geometry + 4 * L + level) != 0
    y, z = first_row % ny, first_row // ny
    for r in range(count):
        at = y * L + level
        term_y, part_y = tl.load(terms + at), tl.load(parts + at)
        if D == 3:
            at = (ny + z) * L + level
            term_z, part_z = tl.load(terms + at), tl.load(parts + at)
        total = tl.zeros((SLOTS, F), tl.float32)
        for c in tl.static_range(1 << (D - 1)):
            at_y = (term_y + (c & 1) * factor_y).to(tl.uint32)
            weight = part_y if c & 1 else 1 - part_y
            dense, spread = x + at_y, x ^ at_y
            if D == 3:
                at_z = (term_z + (c // 2) * factor_z).to(tl.uint32)
                weight *= part_z if c // 2 else 1 - part_z
                dense, spread = dense + at_z, spread ^ at_z
            # a dense vertex lies at most one level's size beyond its end, and the size of a hashed level is a power of two
            dense = tl.where(dense >= size, dense - size, dense)
            entry = tl.where(hashed, spread & (size - 1), dense) + first
            place = (entry.to(tl.int64) if WIDE else entry.to(tl.int32)) * F
            values = tl.load(table + (place[:, None] + feature[None, :]), mask=inside[:, None], other=0)
            total += weight[:, None] * values.to(tl.float32)
        where = ((r * n_slots + slot) * F)[:, None] + feature[None, :]
        tl.store(rows + where, total.to(rows.dtype.element_ty), mask=inside[:, None])
        y += 1
        z = tl.where(y == ny, z + 1, z)
        y = tl.where(y == ny, 0, y)


@triton.jit
def _lerp(lower, upper, fraction, PACKED: tl.constexpr):
    if PACKED:
        # said to be impure, it stays here: the compiler would move three operands into the network's layout, not one result
        return tl.inline_asm_elementwise(
            "{ .reg .b32 d; sub.rn.f16x2 d, $2, $1; fma.rn.f16x2 $0, $3, d, $1; }",
            "=r,r,r,r", [lower, upper, fraction], dtype=tl.float16, is_pure=False, pack=2,
        )  # fmt: skip
    return tl.fma(fraction, upper - lower, lower)


@triton.jit
def _blend_along_x(rows, cells, fractions, row, column, nx, n_slots, inside, N_LEVELS: tl.constexpr, L: tl.constexpr,
                   F: tl.constexpr, PACKED: tl.constexpr):  # fmt: skip
    """Features (BLOCK, L * F) of points in the columns of rows, in the precision of `rows`."""
    BLOCK: tl.constexpr = inside.shape[0]
    level, feature = tl.arange(0, L), tl.arange(0, F)
    # levels come first, so that the threads of a warp take neighbouring points of one level, whose reads are one
    wanted = (level < N_LEVELS)[:, None] & inside[None, :]
    where = level[:, None] * nx + column[None, :]
    cell = tl.load(cells + where, mask=wanted, other=0) + tl.broadcast_to(row * n_slots, (BLOCK,))[None, :]
    fraction = tl.load(fractions + where, mask=wanted, other=0).to(rows.dtype.element_ty)
    place = rows + (cell * F)[:, :, None] + feature[None, None, :]
    wanted = wanted[:, :, None] & (feature >= 0)[None, None, :]
    lower, upper = tl.load(place, mask=wanted, other=0), tl.load(place + F, mask=wanted, other=0)
    blended = _lerp(lower, upper, tl.broadcast_to(fraction[:, :, None], (L, BLOCK, F)), PACKED)
    return tl.reshape(tl.permute(blended, (1, 0, 2)), (BLOCK, L * F))


@triton.jit(do_not_specialize=["nx", "ny", "n_slots", "first_row", "n_rows", "group"])
def rows_kernel(table, matrices, geometry, slots, cells, fractions, terms, parts, scratch, scale, offset, out,
                nx, ny, n_slots, first_row, n_rows, group, n_outputs: tl.constexpr,
                N_LEVELS: tl.constexpr, L: tl.constexpr, F: tl.constexpr, D: tl.constexpr, IN: tl.constexpr,
                N: tl.constexpr, C: tl.constexpr, N_HIDDEN: tl.constexpr, WIDE: tl.constexpr, KEPT: tl.constexpr,
                PACKED: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr, SLOTS: tl.constexpr):  # fmt: skip
    """Values of consecutive rows of a grid, from `first_row` on, counted over y, then z, as values * scale + offset.

    A program takes `group` rows at a time, blends them in its own part of `scratch`, and decodes their points in tiles.

    Parameters
    ----------
    slots : (2, n_slots) int32 vertex along x, and level, of what a blended row holds.
    cells, fractions : (L, nx) int32 slot of each point's lower vertex, and float32 how far it lies beyond that.
    terms, parts : (ny + nz, L) int32 what the lower vertex along y or z adds to an index, and float32 as fractions.
    scratch : (programs, group, n_slots, F), or more.
    WHOLE : whether rows are made of whole tiles.
    """
    output = tl.arange(0, C)
    factor = tl.load(scale + output, mask=output < n_outputs, other=0)
    summand = tl.load(offset + output, mask=output < n_outputs, other=0)
    layers = ()
    if KEPT:
        layers = load_layers(matrices, IN, N, C, N_HIDDEN)
    rows = scratch + tl.program_id(0).to(tl.int64) * group * n_slots * F
    for start in range(tl.program_id(0) * group, n_rows, tl.num_programs(0) * group):
        count = tl.minimum(group, n_rows - start)
        for block in range(tl.cdiv(n_slots, SLOTS)):
            _blend_slots(table, geometry, slots, terms, parts, rows, first_row + start, count, ny, n_slots, block,
                         L, F, D, WIDE, SLOTS)  # fmt: skip
        tl.debug_barrier()  # what others of the program blended is read below
        row, begin = 0, 0
        for tile in range(tl.cdiv(count * nx, BLOCK)):
            place = tile * BLOCK + tl.arange(0, BLOCK)
            if WHOLE:
                inside = tl.full((BLOCK,), True, tl.int1)
                own_row, column = row, begin + tl.arange(0, BLOCK)
                begin += BLOCK
                row = tl.where(begin == nx, row + 1, row)
                begin = tl.where(begin == nx, 0, begin)
            else:
                inside = place < count * nx
                own_row, column = place // nx, place % nx
            features = _blend_along_x(rows, cells, fractions, own_row, column, nx, n_slots, inside,
                                      N_LEVELS, L, F, PACKED)  # fmt: skip
            values = network(features, matrices, layers, IN, N, C, N_HIDDEN, KEPT, PACKED)
            values = values * factor[None, :] + summand[None, :]
            store(out + start * nx * n_outputs, place, values, inside, n_outputs, C)
        tl.debug_barrier()
