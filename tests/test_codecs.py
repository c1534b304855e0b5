"""Compressors of volumes keep to the error that they are told."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from hyperinr_core.measure.codecs import CODECS


def test_every_compressor_is_there_and_keeps_to_its_error():
    z, y, x = np.meshgrid(*[np.linspace(0, 3, 32)] * 3, indexing="ij")
    values = np.stack([np.sin(x + t) * np.cos(y * z) for t in range(3)]).astype(np.float32)
    assert set(CODECS) == {"zlib", "ZFP", "SZ3", "SPERR"}
    for name, codec in CODECS.items():
        n_bytes, payload = codec.encode(values, 0.01)
        decoded = codec.decode(payload, values.shape)
        assert decoded.shape == values.shape and decoded.dtype == np.float32, name
        assert abs(decoded - values).max() <= 0.0101, name
        assert np.array_equal(decoded, values) == (name == "zlib"), f"{name}: what is found was not coded"
        assert 100 < n_bytes < (0.95 if name == "zlib" else 0.3) * values.nbytes, name


def test_a_compressor_without_its_package_is_not_installed(monkeypatch):
    assert all(codec.is_installed for codec in CODECS.values())
    monkeypatch.setitem(sys.modules, "zfpy", None)
    assert [name for name, codec in CODECS.items() if not codec.is_installed] == ["ZFP"]


def test_no_package_is_imported_before_it_is_used():
    code = "import sys, hyperinr_core.measure.sizes; print({'zfpy', 'pysz', 'h5py', 'hdf5plugin', 'torch'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
