"""Images with a fourth axis: MetaImages by SimpleITK, NIfTI by nibabel, NRRD by SimpleITK and pynrrd."""

from __future__ import annotations

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

SHAPE = (4, 5, 6, 7)  # t, z, y, x
IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def values(kind="f4", *components: int) -> np.ndarray:
    shape = (*SHAPE, *components)
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(kind)


def check(series, expected, name, flips=()):
    """The series holds the steps of (t, z, y, x[, c]), and gives any planes of them."""
    assert (len(series), series.grid.dims) == (len(expected), expected.shape[3:0:-1])
    for step in range(len(expected)):
        whole = np.flip(expected[step], flips).reshape(*expected.shape[1:4], -1)
        np.testing.assert_array_equal(series.read(step, [name]), whole.astype("f4"))
        np.testing.assert_array_equal(series.read(step, [name], (1, 3)), whole[1:3].astype("f4"))


def write_itk(path, data, vector=False, compressed=False):
    image = SimpleITK.GetImageFromArray(data, isVector=vector)
    image.SetSpacing([0.5, 0.25, 2.0, 10.0][: image.GetDimension()])
    image.SetOrigin([1.0, 2.0, 3.0, 100.0][: image.GetDimension()])
    SimpleITK.WriteImage(image, str(path), useCompression=compressed)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("suffix", ["mha", "mhd"])
def test_meta_images_of_every_type_have_steps(tmp_path, kind, suffix):
    write_itk(tmp_path / f"a.{suffix}", values(kind), compressed=kind.startswith("i"))
    series = open_series(tmp_path / f"a.{suffix}")
    check(series, values(kind), "MetaImage")
    assert (series.grid.origin, series.grid.spacing) == ((1, 2, 3), (0.5, 0.25, 2))
    assert series.thetas[:, 0].tolist() == [100, 110, 120, 130]


@pytest.mark.parametrize("compressed", [False, True])
def test_meta_images_with_components(tmp_path, compressed):
    write_itk(tmp_path / "a.mha", values("i8", 3)[0], True, compressed)
    check(open_series(tmp_path / "a.mha"), values("i8", 3)[:1], "MetaImage")
    write_itk(tmp_path / "b.mha", values("f4", 2), True, compressed)
    check(open_series(tmp_path / "b.mha"), values("f4", 2), "MetaImage")


def test_meta_images_in_a_file_for_each_step_or_plane(tmp_path):
    for leading, names in ((1, 4), (2, 20)):
        files = [f"d{leading}_{number:02}.raw" for number in range(names)]
        for file, part in zip(files, values().reshape(names, *SHAPE[leading:])):
            part.tofile(tmp_path / file)
        head = "NDims = 4\nDimSize = 7 6 5 4\nElementType = MET_FLOAT\nElementDataFile = "
        (tmp_path / "list.mhd").write_text(head + "LIST\n" + "\n".join(files))
        (tmp_path / "pattern.mhd").write_text(head + f"d{leading}_%02d.raw 0 {names - 1} 1\n")
        for name in ("list.mhd", "pattern.mhd"):
            check(open_series(tmp_path / name), values(), "MetaImage")


def test_meta_images_that_are_short(tmp_path):
    for compressed in (False, True):
        write_itk(tmp_path / "a.mha", values("i8"), compressed=compressed)
        content = (tmp_path / "a.mha").read_bytes()
        (tmp_path / "a.mha").write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(DataError, match=r"a\.mha has \d+ bytes of data; expected \d+"):
            open_series(tmp_path / "a.mha").read(3, ["MetaImage"])


def test_mirrored_meta_images_are_turned_round(tmp_path):
    image = SimpleITK.GetImageFromArray(values()[0])
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((10, 20, 30))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    series = open_series(tmp_path / "a.mha")
    assert (series.grid.direction, series.grid.origin) == (IDENTITY, (10, 15, 30))
    check(series, values()[:1], "MetaImage", flips=(1,))


# NIfTI.


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "i8"])
def test_nifti_has_steps_times_and_units(tmp_path, suffix, kind):
    image = nibabel.Nifti1Image(values(kind).T, np.eye(4), dtype=kind)
    image.header.set_zooms((0.5, 0.25, 2.0, 1.5))
    image.header.set_xyzt_units("mm", "msec")
    image.header["toffset"] = 3.0
    nibabel.save(image, tmp_path / f"a.{suffix}")
    series = open_series(tmp_path / f"a.{suffix}")
    check(series, values(kind), "NIFTI")
    assert series.grid.spacing == (0.5, 0.25, 2.0)
    assert (series.thetas[:, 0].tolist(), series.units) == ([3, 4.5, 6, 7.5], {"time": "ms"})


def test_nifti_components_slopes_colours_and_slice_order(tmp_path):
    image = nibabel.Nifti1Image(values("f4", 3).transpose(3, 2, 1, 0, 4), np.diag([-1, 1, 1, 1]))
    nibabel.save(image, tmp_path / "a.nii")  # its header says that the slices lie the other way round
    check(open_series(tmp_path / "a.nii"), values("f4", 3), "NIFTI", flips=(0,))
    image = nibabel.Nifti1Image(values("i2").T, np.eye(4))
    image.header.set_slope_inter(0.5, -4)
    nibabel.save(image, tmp_path / "b.nii")
    stored = np.asarray(nibabel.load(tmp_path / "b.nii").dataobj).T
    check(open_series(tmp_path / "b.nii"), stored, "NIFTI")
    colors = values("u1", 3)[0].transpose(2, 1, 0, 3).copy().view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nibabel.save(nibabel.Nifti1Image(colors, np.eye(4)), tmp_path / "c.nii")
    check(open_series(tmp_path / "c.nii"), values("u1", 3)[:1], "NIFTI")


# NRRD.


@pytest.mark.parametrize("compressed", [False, True])
def test_nrrd_by_itk(tmp_path, compressed):
    write_itk(tmp_path / "a.nrrd", values("u2"), compressed=compressed)
    series = open_series(tmp_path / "a.nrrd")
    check(series, values("u2"), "value")
    assert series.thetas[:, 0].tolist() == [100, 110, 120, 130]
    assert (series.grid.origin, series.grid.spacing) == ((1, 2, 3), (0.5, 0.25, 2))
    write_itk(tmp_path / "b.nrrd", values("f4", 3)[0], True, compressed)
    check(open_series(tmp_path / "b.nrrd"), values("f4", 3)[:1], "value")


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("kind", ["list", "time"])
@pytest.mark.parametrize("first", [True, False])
def test_nrrd_sequences_as_slicer_writes_them(tmp_path, encoding, kind, first):
    """A list of volumes, whose steps lie side by side in each voxel (first) or one after the other."""
    none, space = np.full((1, 3), np.nan), np.diag([0.5, 0.25, 2.0])
    axis = 0 if first else 3
    header = {
        "space": "left-posterior-superior",
        "kinds": [kind, "domain", "domain", "domain"] if first else ["domain"] * 3 + [kind],
        "space directions": np.vstack([none, space] if first else [space, none]),
        "space origin": [1.0, 2.0, 3.0],
        "encoding": encoding,
        f"axis {axis} index type": "numeric",
        f"axis {axis} index unit": "s",
        f"axis {axis} index values": "0 1.5 2 7",
    }
    data = values("i2")
    stored = data.transpose(0, 3, 2, 1) if first else data.T
    nrrd.write(str(tmp_path / "a.seq.nrrd"), stored, header)
    series = open_series(tmp_path / "a.seq.nrrd")
    check(series, data, "value")
    assert (series.thetas[:, 0].tolist(), series.units) == ([0, 1.5, 2, 7], {"time": "s"})
    assert (series.grid.spacing, series.grid.direction) == ((0.5, 0.25, 2), IDENTITY)


def test_nrrd_axes_that_the_user_names(tmp_path):
    nrrd.write(str(tmp_path / "a.nrrd"), values().T)
    check(open_series(tmp_path / "a.nrrd", axes="tzyx"), values(), "value")
    nrrd.write(str(tmp_path / "b.nrrd"), np.moveaxis(values("f4", 3), -1, 0).T)  # components slowest
    check(open_series(tmp_path / "b.nrrd", axes="ctzyx"), values("f4", 3), "value")
    with pytest.raises(DataError, match="expected as many letters"):
        open_series(tmp_path / "a.nrrd", axes="zyx")


def test_nrrd_in_two_files_and_mirrored(tmp_path):
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1.0, 2.0, -3.0]),
        "space origin": [0, 0, 9],
    }
    nrrd.write(str(tmp_path / "a.nhdr"), values()[0].T, header | {"encoding": "gzip"}, detached_header=True)
    series = open_series(tmp_path / "a.nhdr")
    assert (series.grid.direction, series.grid.spacing) == (IDENTITY, (1, 2, 3))
    assert series.grid.origin == (0, 0, 9 - 3 * 4)
    check(series, values()[:1], "value", flips=(0,))
