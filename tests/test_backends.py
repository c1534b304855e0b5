"""The reference is right (a case computed by hand), and every backend equals it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hyperinr_core import backends
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.base import Backend
from hyperinr_core.backends.reference import ReferenceBackend, encode
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError
from hyperinr_core.hash_grid import hash_grid

CASES = {
    "volume": (EncodingConfig(), NetworkConfig(), 1),
    "plane": (EncodingConfig(n_pos_dims=2, base_resolution=8), NetworkConfig(), 3),
    "dense levels only": (EncodingConfig(n_levels=3, log2_hashmap_size=19), NetworkConfig(32, 2), 2),
    "hashed from the start": (EncodingConfig(n_levels=4, log2_hashmap_size=5, base_resolution=7), NetworkConfig(), 1),
    "odd growth": (EncodingConfig(n_levels=7, n_features_per_level=2, per_level_scale=1.37), NetworkConfig(16, 1), 5),
    "one feature": (EncodingConfig(n_levels=5, n_features_per_level=1, per_level_scale=1.5), NetworkConfig(48, 3), 1),
    "eight features": (
        EncodingConfig(n_levels=2, n_features_per_level=8, log2_hashmap_size=9),
        NetworkConfig(128, 8),
        16,
    ),
}

CASES = {name: Architecture(*parts) for name, parts in CASES.items()}


def random_model(architecture, seed=0):
    """Parameters of ordinary size, so that values are of order one and rounding shows."""
    rng = np.random.default_rng(seed)
    tables = rng.uniform(-1, 1, (3, architecture.n_table)).astype(np.float32)
    layers = [rng.normal(0, np.sqrt(2 / columns), rows * columns) for rows, columns in architecture.layer_shapes]
    return architecture, tables, np.concatenate(layers).astype(np.float32)


def test_by_hand_dense_level():
    # base_resolution 2: scale 1, resolution 2, so x = 0.25 lies at 0.75 between vertices 0 and 1, y = 0.5 at 1.0 exactly
    # between vertex 1 and vertex 2, which wraps to the start of the next row of the dense index.
    grid = hash_grid(EncodingConfig(n_pos_dims=2, n_levels=1, n_features_per_level=1, base_resolution=2))
    assert grid.scales.tolist() == [1.0] and grid.resolutions.tolist() == [2] and grid.offsets.tolist() == [0, 8]
    table = np.arange(8, dtype=np.float32)
    features = encode(grid, table, np.array([[0.25, 0.5]], np.float32))
    assert features.tolist() == [[0.25 * 2 + 0.75 * 3]]


def test_by_hand_hashed_level():
    # 5 vertices along an axis do not fit 8 entries: x + 0.5 at scale 4 puts 0 at 0.5, between vertices 0 and 1.
    config = EncodingConfig(n_pos_dims=2, n_levels=1, n_features_per_level=1, log2_hashmap_size=3, base_resolution=5)
    table = np.array([1, 2, 4, 8, 16, 32, 64, 128], np.float32)
    features = encode(hash_grid(config), table, np.zeros((1, 2), np.float32))
    entries = [(x ^ (y * 2654435761) % 2**32) % 8 for x, y in itertools.product((0, 1), repeat=2)]
    assert entries == [0, 1, 1, 0]
    assert features.tolist() == [[(1 + 2 + 2 + 1) / 4]]


def test_levels_of_the_papers_configuration():
    grid = hash_grid(EncodingConfig())
    assert grid.resolutions.tolist() == [4, 8, 16, 32, 64, 128, 256, 512]
    assert np.diff(grid.offsets).tolist() == [64, 512, 4096, 32768, 32768, 32768, 32768, 32768]
    assert grid.hashed.tolist() == [False] * 4 + [True] * 4


def test_levels_are_padded_to_eight_entries():
    grid = hash_grid(EncodingConfig(n_levels=3, base_resolution=3, per_level_scale=1.5))
    assert grid.resolutions.tolist() == [3, 5, 7]
    assert np.diff(grid.offsets).tolist() == [32, 128, 344]


@pytest.mark.parametrize("case", CASES)
def test_torch_equals_reference(case):
    model = random_model(CASES[case])
    rng = np.random.default_rng(1)
    points = rng.random((500, model[0].encoding.n_pos_dims), np.float32)
    points[:3] = [[0], [1], [0.5]]
    reference, torch = ReferenceBackend(*model), backends.create("torch", *model)
    indices, weights = np.array([2, 0]), np.array([0.3, 0.7])
    expected = reference.sample(reference.blend(indices, weights), points)
    found = torch.sample(torch.blend(indices, weights), points)
    assert np.abs(expected).max() > 0.1
    rounding = 1e-6 if torch.device.type == "cpu" else 1e-5  # a GPU sums products in another order
    np.testing.assert_allclose(found, expected, atol=rounding * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("name", ["reference", "torch"])
@pytest.mark.parametrize("case", ["plane", "odd growth"])
def test_grid_equals_points(name, case):
    model = random_model(CASES[case])
    backend = backends.create(name, *model)
    table = backend.blend(np.array([1]), np.array([1.0]))
    axes = [np.linspace(0, 1, n, dtype=np.float32) for n in (9, 5, 4)[: model[0].encoding.n_pos_dims]]
    out = np.empty((*(len(axis) for axis in axes[::-1]), model[0].n_outputs), np.float32)
    scale, offset = np.full(model[0].n_outputs, 2, np.float32), np.full(model[0].n_outputs, -1, np.float32)
    backend.sample_grid(table, tuple(axes), out, scale, offset)
    points = np.stack(np.meshgrid(*axes[::-1], indexing="ij")[::-1], -1).reshape(-1, len(axes))
    expected = backend.sample(table, points.astype(np.float32)) * 2 - 1
    np.testing.assert_allclose(out.reshape(-1, model[0].n_outputs), expected, atol=1e-5)


def test_blend_of_float16_tables_is_their_weighted_sum():
    architecture, tables, mlp_params = random_model(CASES["volume"])
    half = tables.astype(np.float16)
    backend = ReferenceBackend(architecture, half, mlp_params)
    blended = backend.blend(np.array([0, 2]), np.array([0.25, 0.75]))
    np.testing.assert_allclose(blended, 0.25 * half[0].astype(float) + 0.75 * half[2].astype(float), atol=1e-6)


@pytest.mark.parametrize("name", ["native", "triton", "torch", "reference"])
def test_backends_are_registered_under_their_names(name):
    made = backends.create(name, *random_model(CASES["plane"]))
    assert isinstance(made, Backend) and made.name == name
    assert made.empty((2, 3)).shape == (2, 3) and made.empty((2, 3)).dtype == np.float32


def test_a_backend_that_lacks_a_method_is_not_made():
    class Half(Backend):
        def blend(self, indices, weights, guide=None):
            return None

    with pytest.raises(TypeError, match=r"abstract methods '?sample'?, '?sample_grid"):
        Half()


def test_unknown_backend_is_named():
    with pytest.raises(BackendError, match="'cuda'; expected one of auto, native"):
        backends.create("cuda", *random_model(CASES["volume"]))
