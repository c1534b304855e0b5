"""`hyperinr inspect`: what is understood of files, what may help with those that are not, and that none of them harms."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zipfile

import mesh_files as made
import numpy as np
import pytest
from click.testing import CliRunner
from series import moving_blob
from series_files import GRID, arrays, timed_image, write_netcdf, write_nrrd

from hyperinr.filters.image import write_image
from hyperinr.plugin.cli import hyperinr
from hyperinr.plugin.estimates import (
    PROGRAM_BYTES,
    VOLUMES_OF_FLOW,
    VOLUMES_OF_MOTION,
    check_room,
    estimate,
    free_memory,
)
from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.settings import preset
from hyperinr_core.training.volumes.brick import Brick
from hyperinr_core.training.volumes.task import Volumes

h5py = pytest.importorskip("h5py")


def inspected(*arguments):
    """(exit status, output) of the command, which no file may make raise anything else."""
    result = CliRunner().invoke(hyperinr, ["inspect", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_what_is_understood(tmp_path):
    for step in range(5):
        write_image(tmp_path / f"a{step}.vti", timed_image(step, 0.5 * step))
    status, text = inspected(tmp_path)
    assert status == 0
    source, grid, fields, time = text.splitlines()[:4]
    assert source == f"{tmp_path}: 5 steps of 7 x 6 x 5"
    assert grid == "grid: spacing (0.5, 0.25, 2), from (1, 2, 3)"
    assert fields == "fields (in 3 of 5 steps): density 0 to 4209; velocity (3 components) 0 to 4629"
    assert time == "time: 0 to 2, no unit is given"
    told = json.loads(inspected(tmp_path, "--json")[1])
    assert told["usable"] and told["steps"] == 5 and told["grid"]["dims"] == list(GRID.dims)
    assert told["fields"][0] == {
        "name": "density", "n_components": 1, "value_range": [0.0, 4209.0], "units": "", "masked_share": 0.0,
    }  # fmt: skip


def test_masks_components_and_notes(tmp_path):
    data = made.blocks()
    data.SetBlock(2, made.hexahedra(shift=3.0))
    path = made.write("vtkIOXML", "vtkXMLMultiBlockDataWriter", tmp_path / "a.vtm", data)
    status, text = inspected(path, "--field", "U:1", "--dims", 8, 4, 4)
    assert status == 0 and "U:1 0 to 4, 50.0 % without data" in text
    assert (
        "note: a.vtm is a mesh of 240 cells in 2 blocks" in text
        and "advice: one step is a volume that stands still" in text
    )


def test_what_no_file_can_hold_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", **{"n" * 300: np.random.default_rng(0).random((4, 4, 4))})
    status, text = inspected(tmp_path / "a.npz")
    assert status == 1 and "does not fit into a .hinr file" in text


#: name -> what it holds, and what is said of it
def odd_files(folder):
    """About thirty files that nobody should train on, and a word of what is said of each."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, 4000, np.uint8).tobytes()
    write_image(folder / "whole.vti", timed_image(0))
    made.write("vtkIOXML", "vtkXMLUnstructuredGridWriter", folder / "whole.vtu", made.hexahedra())
    made.write("vtkIOLegacy", "vtkUnstructuredGridWriter", folder / "whole.vtk", made.hexahedra())
    write_netcdf(folder / "whole.nc", [0.0, 1.0])
    write_nrrd(folder / "whole.nrrd", 0, "gzip")
    np.savez(folder / "whole.npz", **arrays(0))
    with h5py.File(folder / "own.h5", "w") as file:
        file["run/rho"] = np.zeros((3, 4, 5))
    whole = {
        name: (folder / name).read_bytes() for name in ("whole.vti", "whole.vtu", "whole.vtk", "whole.nc", "whole.nrrd")
    }
    (folder / "steps.bp").mkdir()  # as ADIOS2's newer engines write them
    yield "steps.bp", None, "it is ADIOS2: `openpmd-pipe"
    yield "own.h5", None, "it is HDF5 with run/rho (3, 4, 5)"
    for name, content in whole.items():
        suffix = name.rpartition(".")[2]
        yield f"half.{suffix}", content[: len(content) // 2], "cannot be used"
        yield f"empty.{suffix}", b"", "it is empty"
        yield f"zeros.{suffix}", bytes(5000), "it begins with zeros"
    yield "noise.ex2", noise, "cannot be used"
    yield "noise.cgns", noise, "cannot be used"
    yield "noise.case", noise, "cannot be used"
    yield "noise.foam", noise, "cannot be used"
    yield "noise.xdmf", noise, "cannot be used"
    yield "noise.tif", noise, "cannot be used"
    yield "renamed.dat0", whole["whole.nrrd"], "give it the suffix .nrrd"
    yield "renamed.xml", whole["whole.vtu"], "it is VTK's XML: give it the suffix .vtu"
    yield "page.nc", b"<!DOCTYPE html><title>404</title>", "download the file again"
    yield "pointer.nc", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"
    yield "a.fits", b"SIMPLE  =                    T" + b" " * 2850, "astropy"
    yield "a.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "scipy.io.loadmat"
    yield "a.csv", b"x,y,z,rho\n0,0,0,1\n", "Table To Points"
    yield "a.dcm", bytes(128) + b"DICM" + noise, "dcm2niix"
    yield "a.png", b"\x89PNG\r\n" + noise, "train-views"
    yield "a.stl", b"solid a\nendsolid a\n", "surface"
    yield "a.vtp", b'<?xml version="1.0"?>', "surface"
    yield (
        "huge.npy",
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", 70)
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999, 9999, 9999)}".ljust(69)
        + b"\n",
        "cannot be used",
    )
    yield (
        "gone.pvd",
        b'<VTKFile type="Collection"><Collection><DataSet timestep="0" file="no.vti"/></Collection></VTKFile>',
        "does not exist",
    )
    yield "deep.pvd", b"<a>" * 2000, "cannot be used"


def test_odd_files_end_in_one_sentence_each(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    said = {}
    for name, content, word in list(odd_files(folder)):
        if content is not None:
            (folder / name).write_bytes(content)
        said[name] = word
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    said["packed.zip"] = "it is a zip archive"
    assert len(said) > 30
    for name, word in said.items():
        status, text = inspected(folder / name)
        assert status == 1, f"{name}: {text}"
        first = text.splitlines()[0]
        assert first.startswith("cannot be used: ") and str(folder) in first, text
        assert word in text, f"{name}: {text}"
        assert all(line.startswith("advice: ") for line in text.splitlines()[1:]), text
    # and the process still reads
    assert inspected(folder / "whole.vtu")[0] == 0
    refused = json.loads(inspected(folder / "packed.zip", "--json")[1])
    assert not refused["usable"] and "zip" in refused["advice"][0]


def test_folders_of_other_programs(tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "controlDict").touch()
    status, text = inspected(tmp_path)
    assert status == 1 and f"it is an OpenFOAM case: `touch {tmp_path / 'case.foam'}`" in text


def test_training_begins_with_it_and_knows_its_costs(tmp_path):
    """The file is no larger than was said, but for its header, and not much smaller."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((4, 8, 8, 8), np.float32))
    (tmp_path / "few.json").write_text('{"training": {"samples": 200000, "base": "never"}}')
    output = str(tmp_path / "a.hinr")
    options = ["-o", output, "--config", str(tmp_path / "few.json"), "--teacher", "none", "--device", "cpu"]
    result = CliRunner().invoke(hyperinr, ["train", str(tmp_path / "a.npy"), *options])
    assert result.exit_code == 0, result.output
    said = result.output.splitlines()
    assert said[0] == f"{tmp_path / 'a.npy'}: 4 steps of 8 x 8 x 8, training on 4"
    number, unit = said[4].split("a file of at most ")[1].split(",")[0].split()
    size = float(number) * {"kB": 1e3, "MB": 1e6}[unit]
    assert 0.1 * size < (tmp_path / "a.hinr").stat().st_size < size + 8000
    (plan,) = (line for line in said if line.startswith("plan: "))
    assert plan.startswith("plan: 200000 points in about ") and ", tables of 2^15, a file of " in plan


def test_training_keeps_what_it_resampled_until_the_model_is_there(tmp_path):
    path = made.write_steps("vtkIOExodus", "vtkExodusIIWriter", tmp_path / "a.ex2", [0.0, 1.0, 2.0, 3.0])
    (tmp_path / "few.json").write_text('{"training": {"samples": 5000}}')
    command = [
        "train",
        str(path),
        "-o",
        str(tmp_path / "a.hinr"),
        "--config",
        str(tmp_path / "few.json"),
        "--field",
        "s",
        "--velocity",
        "none",
    ]
    kept = tmp_path / "a.hinr.resampled"
    seen = []

    def stop(*_, **__):
        seen.append(len(list(kept.glob("*.npy"))))
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperinr_core.training.run.train", stop)
        assert CliRunner().invoke(hyperinr, [*command, "--holdout", "1"]).exit_code == 130
    assert seen == [3] and kept.is_dir()
    result = CliRunner().invoke(hyperinr, command)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.hinr").is_file() and not kept.exists()


def test_memory_grows_with_what_is_kept_and_with_the_search_for_motion():
    """No figure for a bare estimate is right to the byte; what it is made of is."""
    small, large = (moving_blob(dims=dims, n_steps=5) for dims in ((16, 16, 16), (64, 64, 64)))
    settings = preset("fast", large.grid)

    def memory(series, teacher, carry="never"):
        config = settings.replace(distillation={"teacher": teacher}, motion={"carry": carry})
        return estimate(Volumes(series, ["density"]), config).memory_bytes

    volume = 4 * large.grid.n_points
    assert memory(small, "none") > PROGRAM_BYTES
    assert memory(large, "none") - memory(small, "none") == 2 * 5 * (volume - 4 * small.grid.n_points)
    assert memory(large, "linear") - memory(large, "none") == 2 * 16 * volume
    assert memory(large, "auto") - memory(large, "linear") >= VOLUMES_OF_FLOW * volume
    assert memory(large, "auto", "auto") == PROGRAM_BYTES + (2 * 5 + VOLUMES_OF_MOTION) * volume
    brick = Brick(
        large, Cuts((64, 64, 64), (2, 1, 1), 4), 0, ["density"]
    )  # 36 points of 64 along x, in surroundings of 60
    own, around = 4 * 36 * 64**2, 4 * 60 * 64**2
    assert estimate(brick, settings).memory_bytes == PROGRAM_BYTES + 5 * own + (5 + VOLUMES_OF_MOTION) * around


def test_training_without_room_is_refused_with_what_fits(tmp_path, monkeypatch):
    series, output = moving_blob(dims=(128, 128, 128), n_steps=16), tmp_path / "a.hinr"
    config = preset("fast", series.grid).replace(distillation={"teacher": "none"}, motion={"carry": "never"})
    costs = check_room(Volumes(series, ["density"]), config, output)
    assert 0 < costs.memory_bytes < free_memory()
    monkeypatch.setattr("hyperinr.plugin.estimates.free_memory", lambda: costs.memory_bytes - 50e6)
    with pytest.raises(
        ParameterError, match=r"training takes about [0-9]+ MB of memory, and .* are free; .*memory_mb"
    ) as caught:
        check_room(Volumes(series, ["density"]), config, output)
    memory_mb = int(str(caught.value).split('"memory_mb": ')[1].split("}")[0])
    check_room(Volumes(series, ["density"]), config.replace(training={"memory_mb": memory_mb}), output)
    monkeypatch.setattr("hyperinr.plugin.estimates.free_memory", lambda: 1e6)
    with pytest.raises(ParameterError, match="expected less: fewer fields"):
        check_room(Volumes(series, ["density"]), config, output)
    monkeypatch.undo()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    with pytest.raises(ParameterError, match=r"a.hinr and its checkpoints take about .* MB, and .* has 1 MB left"):
        check_room(Volumes(series, ["density"]), config, output)


def test_a_process_limit_counts_as_memory():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30));"
        "from hyperinr.plugin.estimates import free_memory; print(int(free_memory()))"
    )
    free = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0 < free < 8 << 30
