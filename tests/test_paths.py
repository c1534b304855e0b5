"""Which files a series is: numbers in names are compared as numbers, and what is missing among them is said."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.filters.readers.paths import find_steps, gaps
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError


@pytest.mark.parametrize(
    "names",
    [
        ["t_0.05", "t_0.1", "t_0.25", "t_1", "t_10.0"],
        ["x=-2", "x=-1.5", "x=0", "x=0.75", "x=3"],
        ["dt1e-05", "dt2.5e-4", "dt1e-3", "dt0.5", "dt2"],
        ["run-1", "run-2", "run-10"],  # no signs
        ["2001-02-03", "2001-02-12", "2001-11-01"],
        ["v1.2.3", "v1.2.10", "v1.10.1"],  # no decimals
        ["p1.1", "p1.2", "p1.9", "p1.10", "p1.11"],  # nor these, of which two would be equal
        ["a9b1", "a10b0.5", "a10b2"],
        ["s99999999999999999998", "s99999999999999999999"],
    ],
)
def test_numbers_in_names_order_the_files(tmp_path, names):
    for name in reversed(names):
        (tmp_path / f"{name}.vti").touch()
    assert [path.name[:-4] for path, _ in find_steps(str(tmp_path / "*.vti"), False)] == names
    assert [path.name[:-4] for path, _ in find_steps(tmp_path, False)] == names  # one series, not several


def test_missing_numbers_are_said(tmp_path):
    def paths(*names):
        return [tmp_path / name for name in names]

    numbers = (0, 20, 40, 80, 100)
    assert "go up by 20 but not between a040.vti and a080.vti" in gaps(paths(*(f"a{n:03}.vti" for n in numbers)))
    for names in ((1, 2, 3), (1, 2, 4, 8, 16), (3,), ()):
        assert gaps(paths(*(f"a{n}.vti" for n in names))) == ""
    assert gaps(paths("a1b1", "a1b2", "a2b1", "a2b3")) == ""  # two numbers vary


def save(folder, times, name="{}.npz"):
    """Files of one step each, of the value of their number, at these times."""
    for number, time in enumerate(times):
        np.savez(folder / name.format(number), v=np.full((2, 2, 2), number, np.float32), time=time)
    return folder


@pytest.mark.parametrize("duplicates, kept", [("first", [0, 1, 4]), ("last", [2, 3, 4])])
def test_restarted_runs_repeat_times(tmp_path, duplicates, kept):
    save(tmp_path, [0.0, 0.5, 0.0, 0.5, 1.0])
    series = open_series(tmp_path, duplicates=duplicates)
    assert series.thetas[:, 0].tolist() == [0, 0.5, 1]
    assert [series.read(step, ["v"])[0, 0, 0, 0] for step in range(3)] == kept
    assert series.notes == (f"2 steps are left out for the {duplicates} ones at their times",)
    with pytest.raises(
        DataError, match=r"0\.npz \(step 0\) and .*2\.npz \(step 0\) are both at time 0.0.*--duplicates"
    ):
        open_series(tmp_path)


def test_times_that_are_given_count_more_than_the_files(tmp_path):
    save(tmp_path, [0.0, 0.0, 7.0])
    assert open_series(tmp_path, times=[1e9, 1e9 + 1e-3, 2e9]).thetas[:, 0].tolist() == [1e9, 1e9 + 1e-3, 2e9]


def test_a_gap_is_a_note_of_the_series(tmp_path):
    for number in (1, 2, 3, 7):
        np.save(tmp_path / f"{number}.npy", np.zeros((2, 2, 2), np.float32))
    (note,) = open_series(tmp_path).notes
    assert "not between 3.npy and 7.npy" in note


def test_parts_are_counted_at_each_time(tmp_path):
    save(tmp_path, [0.0, 1.0])
    for parts in ("01", "ab"):
        sets = "".join(
            f'<DataSet timestep="{step}" part="{part}" file="{step}.npz"/>' for step, part in enumerate(parts)
        )
        (tmp_path / "a.pvd").write_text(f"<VTKFile><Collection>{sets}</Collection></VTKFile>")
        assert len(open_series(tmp_path / "a.pvd")) == 2
