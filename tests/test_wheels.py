"""Wheels on systems that are not this one: installed without a compiler, and their kernel beside the reference.

`make test` has the wheel of this system, which .venv-vtk got; `make wheels` those of all systems that it built. Those of macOS
are not here: nothing runs them on Linux, and tools/check_wheels.py reads what is in them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import native_cases
import numpy as np

from hyperinr_core.backends import native

ROOT = Path(__file__).resolve().parents[1]
DRIVER = ROOT / "tests" / "native_driver.c"
GENERIC = "0"

#: End of a wheel's platform -> Zig's target, None for this system's own compiler, and what runs its programs.
SYSTEMS = {
    f"linux_{os.uname().machine}": (None, []),
    "manylinux_2_17_x86_64": (None, []),
    "manylinux_2_17_aarch64": ("aarch64-linux-gnu.2.17", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]),
    "win_amd64": ("x86_64-windows-gnu", ["wine"]),
}


def pytest_generate_tests(metafunc):
    """Each wheel that can be run here, or only those of this system; of some `--wheels` there may be none."""
    asked = metafunc.config.getoption("--wheels")
    for argument in {"wheel", "own_wheel"} & set(metafunc.fixturenames):
        folder = Path(asked or ROOT / "build" / "wheel").resolve()
        wheels = [path for path in sorted(folder.glob("*.whl")) if platform(path) in SYSTEMS]
        if argument == "own_wheel":
            wheels = [path for path in wheels if not SYSTEMS[platform(path)][1]]
        assert wheels or asked, f"there is no wheel of this system in {folder}; run `make test`"
        metafunc.parametrize(argument, wheels, ids=platform)


def platform(wheel: Path) -> str:
    return wheel.stem.rpartition("-none-")[2]


def test_the_kernel_gives_the_reference_s_values_to_a_millionth(wheel, tmp_path):
    target, runner = SYSTEMS[platform(wheel)]
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if Path(name).stem == "libhyperinr_native")
        library = Path(archive.extract(name, tmp_path))
    driver = tmp_path / "driver.exe"
    zig = [Path(sys.executable).with_name("python-zig"), "cc", "-target", target, "-s"]
    compiler = zig if target else ["gcc", "-Wl,--no-as-needed", "-ldl", "-lm"]
    # Zig knows its libraries by their way from the current folder: from here they are those that `make wheels` compiled
    subprocess.run([*compiler, "-O1", DRIVER, "-o", driver], cwd=tmp_path, check=True)
    variables = {**os.environ, "WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all"}
    result = subprocess.run(
        [*runner, driver, library],
        input=native_cases.text(),
        capture_output=True,
        text=True,
        env=variables,
        timeout=500,
    )
    rows = [line.split() for line in result.stdout.splitlines()]
    assert {name for name, isa, _ in rows if isa == GENERIC} == {name for name, _ in native_cases.cases()}, (
        result.stderr
    )
    assert max(float(error) for *_, error in rows) < 1e-6
    # every instruction set of the processor was tried; AArch64 has NEON beside what any has
    n_isas = 2 if platform(wheel).endswith("aarch64") else len(native.supported_isas())
    assert len({isa for _, isa, _ in rows}) == n_isas


def test_a_wheel_is_enough_without_a_compiler(own_wheel, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    variables = {"PATH": str(tools), "HOME": os.environ["HOME"], "PIP_CACHE_DIR": cache()}
    subprocess.run(["/usr/bin/python3", "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"

    def run(*words):
        return subprocess.run(words, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=500)

    installed = run(python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", own_wheel)
    assert installed.returncode == 0, installed.stderr
    told = run(python.with_name("hyperinr"), "--help")
    assert told.returncode == 0 and "train" in told.stdout and "doctor" in told.stdout
    shutil.copy(ROOT / "tests" / "golden" / "plain.hinr", tmp_path)
    code = (
        "import json, hyperinr_core, numpy as np\n"
        "model = hyperinr_core.load('plain.hinr')\n"
        "points = np.random.default_rng(0).random((5, model.grid.n_pos_dims))\n"
        "low, high = model.theta_bounds.T\n"
        "print(json.dumps({str(share): model.generate(low + share * (high - low), 'native').sample(points).tolist()\n"
        "                  for share in (0.0, 0.37, 1.0)}))"
    )
    found = run(python, "-c", code)
    assert found.returncode == 0, found.stderr
    expected = json.loads((ROOT / "tests" / "golden" / "plain.json").read_text(encoding="utf-8"))
    for share, values in json.loads(found.stdout).items():
        np.testing.assert_allclose(values, expected[share], atol=1e-6)


def cache() -> str:
    """Where pip keeps what it has fetched, so that the test fetches nothing twice."""
    words = [sys.executable, "-m", "pip", "cache", "dir", "--disable-pip-version-check"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
