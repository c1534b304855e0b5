"""The viewer's GPU kernels equal the reference: interpreted on the CPU here, compiled where there is a GPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import triton
import triton.language as tl
from models import random_model as random_hyperinr
from test_backends import CASES, random_model

from hyperinr_core import hinr
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import triton as module
from hyperinr_core.backends import triton_kernels
from hyperinr_core.backends.reference import ReferenceBackend, locate
from hyperinr_core.backends.triton import BLOCK, INTERPRETED, TritonBackend, kernel_device
from hyperinr_core.backends.triton_layout import TritonLayout
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError, ParameterError

#: How far values may be from the reference, as a share of the largest.
TOLERANCE = {"float32": 1e-5, "float16": 5e-3}

KERNEL_DEVICE = kernel_device()

#: With a level that is computed.
GUIDED = Architecture(EncodingConfig(n_levels=3, guide_resolution=10), NetworkConfig(32, 2), 1)


@pytest.fixture
def exact_fma(monkeypatch):
    """The interpreter rounds a fused multiply-add twice; a GPU does it once, and so does this."""
    if INTERPRETED:
        from triton.runtime import interpreter

        def fma(self, x, y, z):
            result = x.data.astype(np.float64) * y.data.astype(np.float64) + z.data.astype(np.float64)
            return interpreter.TensorHandle(result.astype(z.data.dtype), z.dtype.scalar)

        monkeypatch.setattr(interpreter.InterpreterBuilder, "create_fma", fma)


@triton.jit
def corner_kernel(points, scales, geometry, places, weights, n, CORNER: tl.constexpr, L: tl.constexpr,
                  F: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    row = tl.arange(0, BLOCK)
    x = tl.load(points + row * D, mask=row < n, other=0)
    y = tl.load(points + row * D + 1, mask=row < n, other=0)
    z = tl.load(points + row * D + 2, mask=row < n, other=0) if D == 3 else y
    scales, levels = triton_kernels.load_geometry(scales, geometry, L)
    located = triton_kernels.locate_all(x, y, z, scales, D)
    place, weight = triton_kernels.corner(CORNER, located, levels, D, F, False)
    where = row[:, None] * L + tl.arange(0, L)[None, :]
    tl.store(places + where, place)
    tl.store(weights + where, weight)


@pytest.mark.parametrize("case", CASES)
def test_entries_and_weights_are_the_reference_s_to_the_bit(case, exact_fma):
    architecture = CASES[case]
    grid, encoding = architecture.hash_grid, architecture.encoding
    layout = TritonLayout.of(architecture)
    points = np.random.default_rng(0).random((64, encoding.n_pos_dims), np.float32)
    points[:3] = [[0], [1], [0.5]]
    tensors = [torch.from_numpy(part).to(KERNEL_DEVICE) for part in (points, *layout.geometry(grid))]
    for corner in range(1 << encoding.n_pos_dims):
        places = torch.empty((64, layout.levels), dtype=torch.int64, device=KERNEL_DEVICE)
        weights = torch.empty((64, layout.levels), device=KERNEL_DEVICE)
        sizes = {"CORNER": corner, "L": layout.levels, "F": layout.n_features, "D": layout.n_dims, "BLOCK": 64}
        corner_kernel[(1,)](*tensors, places, weights, 64, **sizes)
        step = np.array([corner >> axis & 1 for axis in range(encoding.n_pos_dims)])
        for level in range(encoding.n_levels):
            vertex, fraction = locate(points, grid.scales[level])
            expected = grid.entry_indices(level, vertex + step) * layout.n_features
            np.testing.assert_array_equal(places[:, level].cpu(), expected)
            weight = np.prod(np.where(step, fraction, 1 - fraction), axis=1, dtype=np.float32)
            np.testing.assert_allclose(weights[:, level].cpu(), weight, atol=1e-7)


@pytest.mark.parametrize(
    "case, precision", [*((case, "float32") for case in CASES), ("volume", "float16"), ("eight features", "float16")]
)
def test_values_equal_the_reference(case, precision, exact_fma):
    model = random_model(CASES[case])
    points = np.random.default_rng(1).random((70, model[0].encoding.n_pos_dims), np.float32)
    points[:3] = [[0], [1], [0.5]]
    assert_equal(model, precision, lambda backend, table: backend.sample(table, points))


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("case", ["plane", "odd growth"])
def test_grids_equal_the_reference(case, precision, exact_fma):
    model = random_model(CASES[case])
    axes = tuple(np.linspace(0.1, 1, n, dtype=np.float32) for n in (9, 5, 4)[: model[0].encoding.n_pos_dims])
    scale, offset = (
        np.linspace(1, 2, model[0].n_outputs, dtype=np.float32),
        np.linspace(-1, 1, model[0].n_outputs, dtype=np.float32),
    )

    def sample(backend, table):
        out = np.full((*(len(axis) for axis in axes[::-1]), model[0].n_outputs), np.nan, np.float32)
        if backend.name == "triton":
            backend._slab = 2 * len(axes[0])  # slabs of two rows, the last of one
        backend.sample_grid(table, axes, out, scale, offset)
        return out

    assert_equal(model, precision, sample)


#: Points along x, y (, z): rows of whole tiles, rows that tiles span, and rows of a part of a tile.
SHAPES = {"whole": (64, 3, 2), "spanned": (70, 5, 3), "short": (24, 7, 2)}


@pytest.mark.parametrize(
    "case, shape, precision",
    [
        *((case, "spanned", "float32") for case in CASES),
        ("volume", "whole", "float32"),
        ("odd growth", "short", "float32"),
        ("volume", "whole", "float16"),
        ("plane", "spanned", "float16"),
        ("guide", "spanned", "float32"),
        ("guide", "whole", "float16"),
    ],
)
def test_rows_equal_the_reference(case, shape, precision, exact_fma, monkeypatch):
    architecture = CASES.get(case, GUIDED)
    counts = SHAPES[shape][: architecture.encoding.n_pos_dims]
    # a region that lies anywhere, in uneven steps, ends included
    axes = tuple(np.sort(np.random.default_rng(n).random(n).astype(np.float32)) for n in counts)
    axes[0][[0, -1]], axes[1][-1] = (0, 1), 1
    one, zero = np.ones(architecture.n_outputs, np.float32), np.zeros(architecture.n_outputs, np.float32)

    def sample(backend, table):
        out = np.full((*counts[::-1], architecture.n_outputs), np.nan, np.float32)
        if backend.name == "triton":
            assert backend._prepare(axes).group, "rows are read less often than points"
            monkeypatch.setattr(backend, "_n_programs", 2)  # each takes several groups
        backend.sample_grid(table, axes, out, one, zero)
        return out

    assert_equal(random_model(architecture), precision, sample)


@pytest.mark.parametrize("kept", [False, True])
def test_rows_are_decoded_with_matrices_kept_or_not(kept, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", kept * 10**6)
    axes = tuple(np.linspace(0, 1, n, dtype=np.float32) for n in (40, 2, 2))

    def sample(backend, table):
        assert backend.name == "reference" or backend._kept == kept
        out, one = np.full((2, 2, 40, 1), np.nan, np.float32), np.ones(1, np.float32)
        backend.sample_grid(table, axes, out, one, one)
        return out

    assert_equal(random_model(CASES["volume"]), "float16", sample)


def test_points_are_decoded_one_by_one_where_rows_read_more():
    backend = TritonBackend(*random_model(CASES["volume"]))
    few, many = (tuple(np.linspace(0, 1, n, dtype=np.float32) for n in counts) for counts in ((2, 9, 9), (40, 2, 2)))
    assert not backend._prepare(few).group and backend._prepare(many).group
    assert backend._prepare(tuple(axis.copy() for axis in many)) is backend._prepare(many), "axes are prepared once"
    other = TritonBackend(*random_model(CASES["volume"]))
    other.by_rows = False
    assert not other._prepare(many).group


def test_rows_that_a_program_takes_fill_its_tiles():
    for n in (1, 17, 64, 100, 512, 1000):
        count = module._group(n)
        assert 1 <= count <= module.MOST_ROWS
        if count < module.MOST_ROWS:
            assert count * n >= module.LEAST_TILES * BLOCK
            assert -(-count * n // BLOCK) * BLOCK / (count * n) < module.MOST_WASTE


def assert_equal(model, precision, sample):
    architecture, tables, mlp_params = model
    rows = tables.astype(np.float16)
    blend = [np.array([2, 0]), np.array([0.3, 0.7])]
    n_guide = architecture.hash_grid.table_length - architecture.n_table
    if n_guide:
        blend.append(np.random.default_rng(3).uniform(-1, 1, n_guide).astype(np.float32))
    reference = ReferenceBackend(architecture, rows, mlp_params)
    ours = TritonBackend(architecture, rows, mlp_params, precision=precision)
    expected = sample(reference, reference.blend(*blend))
    found = sample(ours, ours.blend(*blend))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[precision] * np.abs(expected).max(), rtol=0)


def test_a_model_from_a_file_gives_the_reference_s_image(tmp_path):
    hinr.save(random_hyperinr(), tmp_path / "m.hinr")
    model = hinr.load(tmp_path / "m.hinr")
    expected = model.generate(0.7, "reference").sample_grid()
    found = model.generate(0.7, "triton").sample_grid()
    np.testing.assert_allclose(found, expected, atol=5e-3 * np.ptp(expected))


def test_vtk_reads_what_the_device_wrote():
    vtk_to_numpy = pytest.importorskip("vtkmodules.util.numpy_support").vtk_to_numpy
    from hyperinr.filters.image import to_image

    model = random_hyperinr()
    found = model.generate(0.7, "triton").sample_grid()
    array = to_image(model.grid, {"density": found[..., 0]}).GetPointData().GetArray("density")
    assert np.shares_memory(vtk_to_numpy(array), found), "a copy"


def test_what_the_kernels_do_not_know_is_refused():
    architecture, tables, mlp_params = random_model(CASES["volume"])
    with pytest.raises(BackendError, match="1 to 16 outputs, found 17"):
        TritonBackend(dataclasses.replace(architecture, n_outputs=17), tables, mlp_params)
    with pytest.raises(ParameterError, match="precision is 'int8'"):
        TritonBackend(architecture, tables, mlp_params, precision="int8")
