"""The CPU kernel against the reference, for every instruction set that this machine runs."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import native
from hyperinr_core.backends.native import NativeBackend, supported_isas
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError, ParameterError

#: Geometries and networks chosen for their corners: every F, dense and hashed, tables smaller than a vector,
#: a single level, growth of 1, wide inputs, widths that do not fill a tile, many outputs.
CONFIGS = [
    (EncodingConfig(), NetworkConfig(), 1),
    (EncodingConfig(n_pos_dims=2, base_resolution=8, log2_hashmap_size=10), NetworkConfig(), 3),
    (EncodingConfig(n_levels=5, n_features_per_level=1, log2_hashmap_size=3), NetworkConfig(16, 1), 1),
    (EncodingConfig(n_levels=6, n_features_per_level=2, per_level_scale=1.5), NetworkConfig(32, 2), 2),
    (EncodingConfig(n_levels=4, n_features_per_level=8, log2_hashmap_size=9), NetworkConfig(48, 3), 5),
    (EncodingConfig(n_levels=1, n_features_per_level=1, base_resolution=1), NetworkConfig(80, 8), 16),
    (
        EncodingConfig(n_levels=16, n_features_per_level=8, per_level_scale=1.3, log2_hashmap_size=8),
        NetworkConfig(128, 2),
        4,
    ),
    (EncodingConfig(n_levels=3, per_level_scale=1.0, base_resolution=17), NetworkConfig(112, 1), 7),
]


def ways() -> list[tuple[str, str]]:
    """(instruction set, precision) pairs that run here."""
    found = [(isa, "float32") for isa in supported_isas() if not isa.endswith("bf16")]
    found += [(isa, "bfloat16") for isa in supported_isas() if isa.endswith("bf16")]
    return found + [(isa, "mixed") for isa in supported_isas() if isa == "amx_bf16"]


@pytest.fixture(params=ways(), ids="-".join)
def way(request, monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", request.param[0])
    return request.param[1]


@pytest.fixture(params=supported_isas())
def isa(request, monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", request.param)
    return request.param


def random_model(encoding, network, n_outputs, seed=0, dtype=np.float16, n_encoders=4):
    rng, architecture = np.random.default_rng(seed), Architecture(encoding, network, n_outputs)
    encoders = rng.uniform(-1, 1, (n_encoders, architecture.n_table)).astype(dtype)
    layers = [rng.normal(size=(o * i)) * np.sqrt(2 / i) for o, i in architecture.layer_shapes]
    return architecture, encoders, np.concatenate(layers).astype(np.float32)


def random_axes(encoding, seed=0, sizes=(29, 5, 7)):
    rng = np.random.default_rng(seed)
    axes = [rng.uniform(0, 1, n).astype(np.float32) for n in sizes[: encoding.n_pos_dims]]
    for axis in axes:
        axis[:2] = 0, 1
    return axes


def evaluate_grid(backend, table, axes, scale=None, offset=None):
    n_outputs = backend.architecture.n_outputs
    out = np.full((*(len(axis) for axis in axes[::-1]), n_outputs), np.nan, np.float32)
    scale = np.ones(n_outputs, np.float32) if scale is None else scale
    offset = np.zeros(n_outputs, np.float32) if offset is None else offset
    backend.sample_grid(table, axes, out, scale, offset)
    return out


def grid_points(axes):
    return np.stack(np.meshgrid(*axes[::-1], indexing="ij")[::-1], axis=-1).reshape(-1, len(axes))


def assert_near(found, expected, precision):
    """float32 to rounding; the others (8 bits) to what their rounding of features and weights allows."""
    scale = np.abs(expected).max() + 1e-6
    tolerance = 2e-6 if precision == "float32" else 0.06
    assert np.abs(found - expected).max() <= tolerance * scale
    if precision != "float32":
        assert np.sqrt(np.mean((found - expected) ** 2)) <= 0.015 * scale


@pytest.mark.parametrize("config", CONFIGS)
def test_equals_the_reference(config, way):
    model = random_model(*config)
    reference, kernel = ReferenceBackend(*model), NativeBackend(*model, precision=way)
    indices, weights = np.array([2, 0, 3]), np.array([0.5, 0.3, 0.2])
    expected_table, table = reference.blend(indices, weights), kernel.blend(indices, weights)
    np.testing.assert_allclose(
        table, expected_table, rtol=1e-3 if way == "bfloat16" else 1e-6, atol=1e-3 if way == "bfloat16" else 1e-6
    )
    axes = random_axes(config[0])
    scale, offset = np.linspace(0.5, 2, config[2], dtype=np.float32), np.linspace(-1, 1, config[2], dtype=np.float32)
    expected = evaluate_grid(reference, expected_table, axes, scale, offset)
    assert_near(evaluate_grid(kernel, table, axes, scale, offset), expected, way)
    points = grid_points(axes)
    assert_near(kernel.sample(table, points), reference.sample(expected_table, points), way)


@functools.lru_cache(maxsize=8)
def random_case(seed):
    """A model of random settings, a blend of it, axes and the reference's values there; every way is compared with the same."""
    rng = np.random.default_rng(seed)
    encoding = EncodingConfig(
        n_pos_dims=int(rng.integers(2, 4)),
        n_levels=int(rng.integers(1, 10)),
        n_features_per_level=int(rng.choice([1, 2, 4, 8])),
        log2_hashmap_size=int(rng.integers(3, 13)),
        base_resolution=int(rng.integers(1, 24)),
        per_level_scale=float(rng.uniform(1, 2.5)),
    )
    network = NetworkConfig(16 * int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    model = random_model(encoding, network, int(rng.integers(1, 17)), seed, rng.choice([np.float16, np.float32]))
    blend = np.array([1, 3]), rng.uniform(0, 1, 2)
    axes = random_axes(encoding, seed, sizes=tuple(int(n) for n in rng.integers(2, 60, 3)))
    reference = ReferenceBackend(*model)
    return model, blend, axes, evaluate_grid(reference, reference.blend(*blend), axes)


@pytest.mark.parametrize("seed", range(int(os.environ.get("HYPERINR_FUZZ", "8"))))
def test_random_configurations_equal_the_reference(seed, way):
    model, blend, axes, expected = random_case(seed)
    kernel = NativeBackend(*model, precision=way)
    table = kernel.blend(*blend)
    values = evaluate_grid(kernel, table, axes)
    assert_near(values, expected, way)
    np.testing.assert_array_equal(kernel.sample(table, grid_points(axes)).reshape(values.shape), values)


def test_values_do_not_depend_on_threads_or_on_how_a_grid_is_cut(way, monkeypatch):
    model = random_model(EncodingConfig(), NetworkConfig(), 2)
    axes = [np.linspace(0, 1, n, dtype=np.float32) for n in (131, 70, 9)]
    monkeypatch.setenv("HYPERINR_NUM_THREADS", "1")
    kernel = NativeBackend(*model, precision=way)
    table = kernel.blend(np.array([0, 1]), np.array([0.25, 0.75]))
    whole = evaluate_grid(kernel, table, axes)
    for threads in ("2", "3", "7"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        again = NativeBackend(*model, precision=way)
        np.testing.assert_array_equal(again.blend(np.array([0, 1]), np.array([0.25, 0.75])), table)
        np.testing.assert_array_equal(evaluate_grid(again, table, axes), whole)
    for x, y, z in [((5, 6), (0, 70), (0, 9)), ((0, 131), (3, 7), (8, 9)), ((17, 120), (69, 70), (2, 5))]:
        part = evaluate_grid(kernel, table, [a[slice(*s)] for a, s in zip(axes, (x, y, z))])
        np.testing.assert_array_equal(part, whole[slice(*z), slice(*y), slice(*x)])


def test_two_python_threads_share_the_kernel(monkeypatch):
    monkeypatch.setenv("HYPERINR_NUM_THREADS", "3")
    kernel = NativeBackend(*random_model(EncodingConfig(n_levels=3), NetworkConfig(16, 1), 1))
    table, axes = (
        kernel.blend(np.array([0]), np.array([1.0])),
        random_axes(kernel.architecture.encoding, sizes=(64, 64, 4)),
    )
    expected, found = evaluate_grid(kernel, table, axes), []
    workers = [threading.Thread(target=lambda: found.append(evaluate_grid(kernel, table, axes))) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 6
    for values in found:
        np.testing.assert_array_equal(values, expected)


FORK = """
import os, sys
import numpy as np
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.native import NativeBackend
from hyperinr_core.config import EncodingConfig, NetworkConfig
architecture = Architecture(EncodingConfig(n_levels=2), NetworkConfig(16, 1), 1)
tables = np.ones((1, architecture.n_table), np.float32)
kernel = NativeBackend(architecture, tables, np.ones(144, np.float32))
table = kernel.blend(np.array([0]), np.array([1.0]))
points = np.random.default_rng(0).uniform(0, 1, (50000, 3))
parent = kernel.sample(table, points)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(kernel.sample(table, points), parent) else 3)
sys.exit(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
"""


def run_python(code, **environment):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run([sys.executable, "-c", code], timeout=60, env=environment).returncode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    assert run_python(FORK, HYPERINR_NUM_THREADS="4") == 0


def test_empty_and_tiny_requests(way):
    kernel = NativeBackend(*random_model(EncodingConfig(), NetworkConfig(), 1), precision=way)
    table = kernel.blend(np.array([1]), np.array([1.0]))
    assert kernel.sample(table, np.empty((0, 3), np.float32)).shape == (0, 1)
    one = evaluate_grid(kernel, table, [np.full(1, 0.3, np.float32)] * 3)
    np.testing.assert_array_equal(one.ravel(), kernel.sample(table, np.full((1, 3), 0.3, np.float32)).ravel())


@pytest.mark.parametrize("bad", [-0.001, 1.001, np.nan, np.inf])
def test_points_outside_the_unit_cube_are_refused(bad):
    kernel = NativeBackend(*random_model(EncodingConfig(), NetworkConfig(), 1))
    table, points = kernel.blend(np.array([1]), np.array([1.0])), np.full((70000, 3), 0.5, np.float32)
    points[69999, 1] = bad
    with pytest.raises(ParameterError, match="outside"):
        kernel.sample(table, points)
    with pytest.raises(ParameterError, match="outside"):
        evaluate_grid(
            kernel, table, [np.full(2, 0.5, np.float32), np.array([0, bad], np.float32), np.zeros(1, np.float32)]
        )


def test_wrong_arrays_are_refused():
    model = random_model(EncodingConfig(n_levels=2), NetworkConfig(16, 1), 2)
    kernel = NativeBackend(*model, precision="float32")
    table = kernel.blend(np.array([0]), np.array([1.0]))
    axes, good = random_axes(kernel.architecture.encoding), np.ones(2, np.float32)
    with pytest.raises(ParameterError, match="expected float32"):
        kernel.sample(table[:-1], np.zeros((1, 3), np.float32))
    with pytest.raises(ParameterError, match="expected float32"):
        kernel.sample(table.astype(np.float64), np.zeros((1, 3), np.float32))
    with pytest.raises(ParameterError, match=r"expected \(B, 3\)"):
        kernel.sample(table, np.zeros((1, 2), np.float32))
    with pytest.raises(ParameterError, match="encoder index"):
        kernel.blend(np.array([4]), np.array([1.0]))
    with pytest.raises(ParameterError, match=r"expected \(K,\)"):
        kernel.blend(np.array([1, 2]), np.array([1.0]))
    with pytest.raises(ParameterError, match="out is"):
        kernel.sample_grid(table, axes, np.empty((7, 5, 28, 2), np.float32), good, good)
    with pytest.raises(ParameterError, match="expected 3 axes"):
        kernel.sample_grid(table, axes[:2], np.empty((5, 29, 2), np.float32), good, good)
    with pytest.raises(ParameterError, match="mlp_params has"):
        NativeBackend(*model[:2], model[2][:-1])
    with pytest.raises(ParameterError, match="encoder_params has shape"):
        NativeBackend(model[0], model[1][:, 1:], model[2])
    with pytest.raises(BackendError, match="1 to 16"):
        NativeBackend(dataclasses.replace(model[0], n_outputs=17), *model[1:])
    with pytest.raises(ParameterError, match="precision"):
        NativeBackend(*model, precision="float64")


def test_the_c_interface_survives_null_pointers_and_wrong_sizes():
    lib, null = native.library(), None
    kernel = NativeBackend(*random_model(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1), precision="float32")
    handle = kernel._model.handle
    one = np.ones(4096, np.float32).ctypes.data
    shape, made = native.Shape(), ctypes.c_void_p()
    assert lib.hinr_model_create(null, one, 1, 0, 0, ctypes.byref(made)) == 1
    assert lib.hinr_model_create(ctypes.byref(shape), one, 1, 0, 0, ctypes.byref(made)) == 9
    shape.abi_version = native._ABI_VERSION
    assert lib.hinr_model_create(ctypes.byref(shape), one, 1, 0, 0, ctypes.byref(made)) == 1
    assert lib.hinr_model_set_mlp(handle, one, 7) == 2
    assert lib.hinr_sample(null, one, 64, one, 1, one) == 1
    assert lib.hinr_sample(handle, null, 256, one, 1, one) == 1
    assert lib.hinr_sample(handle, one, 255, one, 1, one) == 2
    assert lib.hinr_sample(handle, one, 256, one, -1, one) == 2
    assert lib.hinr_sample_grid(handle, one, 256, null, one, one, one, one) == 1
    assert lib.hinr_blend(handle, one, 0, 1, 256, null, one, 1, null, one, 256) == 1
    assert lib.hinr_blend(handle, one, 7, 1, 256, one, one, 1, null, one, 256) == 5
    assert lib.hinr_backward(handle, one, 1, 256, null, 1, one, one, 0, null, one, one, 80) == 1
    assert lib.hinr_adam(0, one, null, 1.0, one, one, 1, 1, 0.1, 0.9, 0.99, 1e-8) == 1
    assert lib.hinr_adam(99, one, one, 1.0, one, one, 1, 1, 0.1, 0.9, 0.99, 1e-8) == 6
    assert lib.hinr_set_num_threads(0) == 8


@pytest.mark.parametrize("text", ["0", "-1", "two", "5000"])
def test_a_wrong_number_of_threads_is_refused(text, monkeypatch):
    monkeypatch.setenv("HYPERINR_NUM_THREADS", text)
    with pytest.raises(ParameterError, match="HYPERINR_NUM_THREADS"):
        NativeBackend(*random_model(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1))


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", "sse9")
    with pytest.raises(ParameterError, match="HYPERINR_ISA"):
        NativeBackend(*random_model(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1))


def test_a_missing_or_foreign_library_is_one_sentence(tmp_path, monkeypatch):
    foreign = tmp_path / "foreign.so"
    foreign.write_bytes(b"not a library")
    for path in (tmp_path / "none.so", foreign):
        monkeypatch.setenv("HYPERINR_NATIVE_LIBRARY", str(path))
        native.library.cache_clear()
        with pytest.raises(BackendError, match="CPU kernel"):
            native.library()
    native.library.cache_clear()


def test_a_library_of_another_version_is_refused_when_it_is_loaded(monkeypatch):
    monkeypatch.setattr(native, "_ABI_VERSION", native._ABI_VERSION + 1)
    with pytest.raises(BackendError, match=r"has interface version \d+; expected \d+, reinstall the package"):
        native.library.__wrapped__()


def test_bfloat16_needs_its_instructions(monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", "generic")
    with pytest.raises(BackendError, match="lacks"):
        NativeBackend(*random_model(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1), precision="bfloat16")


def kernel_of(monkeypatch, best, **answers):
    """From now on the kernel's instruction sets end with `best`; what else it answers to `native`."""
    isas = native.ISAS[: native.ISAS.index(best) + 1] if best != "amx_bf16" else native.ISAS
    supported = [isa for isa in isas if isa != "neon"]
    given = {"hinr_bfloat16_pays": lambda _: 0, "hinr_tiles_refused": lambda: 0, **answers}
    kernel = SimpleNamespace(hinr_isa_supported=lambda index: native.ISAS[index] in supported, **given)
    monkeypatch.setattr(native, "library", lambda: kernel)


def test_bfloat16_is_taken_by_itself_where_it_pays(monkeypatch):
    model = random_model(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1)
    monkeypatch.delenv("HYPERINR_ISA", raising=False)
    best, kernel = supported_isas()[-1], native.library()
    pays = kernel.hinr_bfloat16_pays(native.ISAS.index(best))
    assert not any(kernel.hinr_bfloat16_pays(native.ISAS.index(isa)) for isa in ("generic", "avx2", "avx512", "neon"))
    assert NativeBackend(*model).precision == native.chosen()[1] == ("bfloat16" if pays else "float32")
    if not best.endswith("bf16"):
        assert not pays and native.chosen()[2] == "bfloat16 is not multiplied here"


def test_why_a_precision_is_taken_is_said(monkeypatch):
    """Where bfloat16 does not pay, the unit of the same name computes in float32."""
    monkeypatch.delenv("HYPERINR_ISA", raising=False)
    dots, tiles = native.ISAS.index("avx512_bf16"), native.ISAS.index("amx_bf16")
    kernel_of(monkeypatch, "avx512_bf16")
    assert native.chosen() == (dots, "float32", "bfloat16 is slower on Intel's processors")
    kernel_of(monkeypatch, "avx512_bf16", hinr_tiles_refused=lambda: 1)
    assert native.chosen()[2] == "bfloat16 is slower on Intel's processors, and the system refuses their tiles"
    kernel_of(monkeypatch, "avx512_bf16", hinr_bfloat16_pays=lambda _: 1)
    assert native.chosen() == (dots, "bfloat16", "twice as fast as float32 on AMD's processors")
    kernel_of(monkeypatch, "amx_bf16")
    assert native.chosen() == (tiles, "bfloat16", "tiles multiply it several times as fast as float32")
    monkeypatch.setenv("HYPERINR_ISA", "avx512_bf16")
    assert native.chosen() == (dots, "bfloat16", "HYPERINR_ISA asks for it")


def test_viewing_imports_no_torch():
    assert run_python("import sys; import hyperinr_core.backends.native; sys.exit('torch' in sys.modules)") == 0
