"""What may help with a file: one that cannot be read by what its first bytes say it is, one that can by what is in it."""

from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path

from hyperinr.filters.readers.arrays import COORDINATES, TIMES
from hyperinr.filters.readers.libraries import library
from hyperinr.plugin.understanding import Understood

#: First bytes -> what a file of such is, and what to do with it.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"CDF\x01", "it is NetCDF: give it the suffix .nc"),
    (b"CDF\x02", "it is NetCDF: give it the suffix .nc"),
    (b"CDF\x05", "it is NetCDF: give it the suffix .nc"),
    (b"GRIB", "it is GRIB: give it the suffix .grib, and `pip install cfgrib`"),
    (b"\x93NUMPY", "it is a NumPy array: give it the suffix .npy"),
    (b"NRRD", "it is NRRD: give it the suffix .nrrd"),
    (b"ObjectType", "it is MetaImage: give it the suffix .mhd"),
    (b"# vtk DataFile", "it is a legacy VTK file: give it the suffix .vtk"),
    (b"#VTK DataFile", "it is a legacy VTK file: give it the suffix .vtk"),
    (b"II*\x00", "it is TIFF: give it the suffix .tif"),
    (b"MM\x00*", "it is TIFF: give it the suffix .tif"),
    (b"\x0e\x03\x13\x01", "it is HDF4: convert it, such as with `h4toh5` or `ncdump -k`, to HDF5 or NetCDF"),
    (b"SIMPLE  =", "it is FITS: `np.save('a.npy', astropy.io.fits.getdata('a.fits'))`, and train on the .npy"),
    (b"MATLAB 5.0", "it is MATLAB's: `np.savez('a.npz', v=scipy.io.loadmat('a.mat')['v'].T)`, and train on the .npz"),
    (b"\x20\x42\x44\x56", "it is OpenVDB: sample it into an array with openvdb's copyToArray, and `np.save` this"),
    (b"\x89PNG", "it is a picture: pictures of many views are learned by `hyperinr train-views`"),
    (b"\xff\xd8\xff", "it is a picture: pictures of many views are learned by `hyperinr train-views`"),
    (b"\x1f\x8b", "it is packed with gzip: unpack it with `gunzip`"),
    (b"BZh", "it is packed with bzip2: unpack it with `bunzip2`"),
    (b"\xfd7zXZ", "it is packed with xz: unpack it with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd: unpack it with `unzstd`"),
    (b"solid ", "it is a surface: train on the volume that it was cut from"),
    (b"ply", "it is a surface: train on the volume that it was cut from"),
    (b"%PDF", "it is a document"),
    (b"version https://git-lfs", "it only points to the file: fetch this with `git lfs pull`"),
    (b"<!DOCTYPE", "it is a web page, likely of a failed download: download the file again"),
    (b"<html", "it is a web page, likely of a failed download: download the file again"),
)

#: Suffixes of files that are told by nothing else.
_SUFFIXES = {
    ".hinr": "it is a model: `hyperinr info` says what it holds",
    ".csv": "it is a table: put its points on a grid (ParaView: Table To Points, Point Volume Interpolator), save as .vti",
    ".dcm": "it is DICOM: convert the series to .nii.gz with `dcm2niix`",
    ".pvsm": "it is a state of ParaView: open it there, and save the data with Save Data",
    ".vtp": "it is a surface: train on the volume that it was cut from",
    ".stl": "it is a surface: train on the volume that it was cut from",
    ".las": "it is a cloud of points: put them on a grid (ParaView: Point Volume Interpolator), save as .vti",
}

_ADIOS = (
    "it is ADIOS2: `openpmd-pipe --infile a.bp --outfile a.h5` converts openPMD's; of others "
    "`np.savez(f'{i:04}.npz', v=adios2.FileReader('a.bp').read('v', step_selection=[i, 1]))` for each step"
)

#: Names of arrays in HDF5 that are listed, the largest first.
_N_LISTED = 6


def advice_for(name: str) -> list[str]:
    """What may help with a file that cannot be read."""
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() == ".bp":
        return [_ADIOS] if path.exists() else []
    if path.is_dir():
        return _on_folder(path)
    beginning = b""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        beginning = file.read(1024)
    if not path.is_file():
        return []
    if not beginning:
        return ["it is empty: write or download it again"]
    if not beginning.strip(b"\0"):
        return ["it begins with zeros, as a full disk or an aborted copy leaves them: write or download it again"]
    if beginning.startswith(b"\x89HDF"):
        return _on_hdf5(path)
    found = [text for start, text in _BEGINNINGS if beginning.startswith(start) and not _has_suffix_of(path, text)]
    if beginning[128:132] == b"DICM":
        found.append(_SUFFIXES[".dcm"])
    if not found and zipfile.is_zipfile(path) and path.suffix.lower() != ".npz":
        found.append("it is a zip archive: unpack it")
    if not found and b"<VTKFile" in beginning:
        found.append(_on_vtk_xml(path, beginning))
    if not found and path.suffix.lower() in _SUFFIXES:
        found.append(_SUFFIXES[path.suffix.lower()])
    return [text for text in found if text]


def _has_suffix_of(path: Path, text: str) -> bool:
    return "give it the suffix" in text and text.rstrip(".").split("suffix ")[1].split(",")[0] == path.suffix.lower()


def _on_vtk_xml(path: Path, beginning: bytes) -> str:
    suffixes = {
        b'"ImageData"': ".vti", b'"RectilinearGrid"': ".vtr", b'"StructuredGrid"': ".vts", b'"UnstructuredGrid"': ".vtu",
        b'"vtkMultiBlockDataSet"': ".vtm", b'"Collection"': ".pvd", b'"PImageData"': ".pvti",
    }  # fmt: skip
    found = [suffix for kind, suffix in suffixes.items() if kind in beginning]
    return f"it is VTK's XML: give it the suffix {found[0]}" if found and path.suffix.lower() != found[0] else ""


def _on_folder(path: Path) -> list[str]:
    if (path / "system" / "controlDict").exists():
        return [f"it is an OpenFOAM case: `touch {path / 'case.foam'}`, and name that file"]
    if any((path / name).exists() for name in ("data.csv", "info.json", "transforms.json", "transforms_train.json")):
        return ["it is a database of pictures, which `hyperinr train-views` learns"]
    if (path / "Header").exists():
        return ["it is an AMReX plotfile: `yt.load(...).covering_grid(...)`, and np.savez for each step"]
    return []


def _on_hdf5(path: Path) -> list[str]:
    """The largest arrays of a file that has no layout that is known, and how to hand them over."""
    described = [path.with_suffix(suffix) for suffix in (".xdmf", ".xmf") if path.with_suffix(suffix).is_file()]
    if described:
        return [f"{described[0].name} beside it describes it: name that"]
    h5py = library("h5py", "HDF5")
    arrays: list[tuple[int, str, tuple[int, ...]]] = []

    def note(name: str, thing: object) -> None:
        if isinstance(thing, h5py.Dataset) and len(thing.shape or ()) >= 2 and thing.dtype.kind in "iuf":
            arrays.append((thing.size, name, thing.shape))

    with contextlib.suppress(Exception), h5py.File(path, "r") as file:
        file.visititems(note)
    if not arrays:
        return ["it is HDF5 without arrays of two or more axes, or is damaged"]
    arrays.sort(key=lambda array: (len(array[2]) >= 3, array[0]), reverse=True)
    listed = ", ".join(f"{name} {shape}" for _, name, shape in arrays[:_N_LISTED])
    first = arrays[0][1]
    return [
        f"it is HDF5 with {listed}",
        f"`np.savez('a.npz', v=h5py.File('{path.name}')['{first}'][()])` for each step, arrays as (z, y, x), and train on these",
    ]


def advice_on(told: Understood) -> list[str]:
    """What may help with a series that can be read."""
    advice = []
    if told.n_steps == 1:
        advice.append("one step is a volume that stands still; name the files of all steps to play between them")
    elif told.n_steps < 4:
        advice.append(f"{told.n_steps} steps are few to tell how anything moves; more of them make a better model")
    empty = [field.name for field in told.fields if field.value_range is None]
    still = [field.name for field in told.fields if field.value_range and field.value_range[0] == field.value_range[1]]
    helpers = [field.name for field in told.fields if field.name.lower() in {*TIMES, *sum(COORDINATES.values(), ())}]
    for names, text in (
        (empty, "holds no data"),
        (still, "is the same everywhere"),
        (helpers, "looks like a coordinate"),
    ):
        if names and len(names) < len(told.fields):
            advice.append(f"{', '.join(names)} {text}: choose the others with --field")
    vectors = [field.name for field in told.fields if field.n_components > 1]
    if vectors and sum(field.n_components for field in told.fields) > 4:
        advice.append(
            f"--field {vectors[0]}:0 is one component, --field {vectors[0]}:mag the length, if that is enough"
        )
    lengths = [step * (n - 1) for step, n in zip(told.grid.spacing, told.grid.dims) if n > 1]
    if max(lengths) > 1000 * min(lengths):
        advice.append(
            f"the longest axis is {max(lengths) / min(lengths):.0f} times the shortest: ParaView's Transform scales it"
        )
    return advice
