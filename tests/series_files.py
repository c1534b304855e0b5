"""Files of volumes in every format that is read, written by VTK, NumPy, SciPy and netCDF4."""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path

import numpy as np

from hyperinr.filters.image import to_image, write_image
from hyperinr_core.volume import Grid

GRID = Grid((7, 6, 5), (1.0, 2.0, 3.0), (0.5, 0.25, 2.0))
TURNED = Grid(GRID.dims, GRID.origin, GRID.spacing, (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))


def volume(step: int, components: int = 1) -> np.ndarray:
    """(nz, ny, nx, c) values that are exact in float32 and different everywhere."""
    shape = (*GRID.shape, components)
    return (1000.0 * step + np.arange(np.prod(shape)).reshape(shape)).astype(np.float32)


def arrays(step: int) -> dict[str, np.ndarray]:
    return {"density": volume(step)[..., 0], "velocity": volume(step, 3)}


def timed_image(step: int, time: float | None = None, grid: Grid = GRID):
    image = to_image(grid, arrays(step))
    if time is not None:
        from vtkmodules.vtkCommonCore import vtkDoubleArray

        value = vtkDoubleArray()
        value.SetName("TimeValue")
        value.InsertNextValue(time)
        image.GetFieldData().AddArray(value)
    return image


def write_with(module: str, name: str, path: Path, data) -> None:
    writer = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    writer.Write()
    assert path.exists()


def write_vtkhdf(path: Path, step: int) -> None:
    """VTK 9.2 has no writer for it, and netCDF4 writes HDF5; its dimensions stay out of the group VTK reads."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip("xyzc", (*GRID.dims, 3)):
            file.createDimension(name, size)
        root = file.createGroup("VTKHDF")
        root.setncattr("Version", np.array([1, 0], np.int64))
        root.setncattr("Type", "ImageData")
        root.setncattr("WholeExtent", np.array(GRID.extent, np.int64))
        root.setncattr("Origin", np.array(GRID.origin))
        root.setncattr("Spacing", np.array(GRID.spacing))
        root.setncattr("Direction", np.array(GRID.direction))
        points = root.createGroup("PointData")
        points.createVariable("density", "f4", tuple("zyx"))[:] = volume(step)[..., 0]
        points.createVariable("velocity", "f4", tuple("zyxc"))[:] = volume(step, 3)


def write_nrrd(path: Path, step: int, encoding: str = "raw", header: str = "") -> None:
    data = volume(step).astype("<f4").tobytes()
    path.write_bytes(
        f"NRRD0004\n# a comment\ntype: float\ndimension: 3\nsizes: 7 6 5\nendian: little\nencoding: {encoding}\n"
        f"space: left-posterior-superior\nspace directions: (0.5,0,0) (0,0.25,0) (0,0,2)\nspace origin: (1,2,3)\n"
        f"{header}\n".encode()
        + (gzip.compress(data) if encoding == "gzip" else data)
    )


def write_netcdf(path: Path, times, units: str | None = "s", descending: bool = False) -> None:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w", version=2) as file:
        file.createDimension("time", None)
        if units is not None:
            variable = file.createVariable("time", "f8", ("time",))
            variable.units = units
            variable[:] = times
        for axis, name in enumerate("xyz"):
            file.createDimension(name, GRID.dims[axis])
            coordinates = GRID.origin[axis] + GRID.spacing[axis] * np.arange(GRID.dims[axis])
            file.createVariable(name, "f8", (name,))[:] = coordinates[::-1] if descending else coordinates
        density = file.createVariable("density", "f4", ("time", "z", "y", "x"))
        density.units = "kg/m3"
        density[:] = np.stack([volume(step)[..., 0] for step in range(len(times))])


def check(series, n_steps: int, name: str, n_components: int = 1, grid: Grid | None = GRID) -> None:
    """The series holds volume(0), volume(1)... and reads any planes of them."""
    assert len(series) == n_steps
    assert series.field_info[name] == n_components
    if grid is not None:
        assert series.grid.dims == grid.dims
        for what in ("origin", "spacing", "direction"):
            np.testing.assert_allclose(getattr(series.grid, what), getattr(grid, what), atol=1e-6)
    for step in range(n_steps):
        expected = volume(step, n_components)
        np.testing.assert_array_equal(series.read(step, [name]), expected)
        np.testing.assert_array_equal(series.read(step, [name], (1, 3)), expected[1:3])
        np.testing.assert_array_equal(series.read(step, [name], (4, 5)), expected[4:])


def rectilinear(step: int, stretch: float = 1.0):
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkRectilinearGrid

    grid = vtkRectilinearGrid()
    grid.SetDimensions(*GRID.dims)
    for axis, name in enumerate("XYZ"):
        i = np.arange(GRID.dims[axis]) ** (stretch if axis == 1 else 1.0)
        getattr(grid, f"Set{name}Coordinates")(numpy_to_vtk(GRID.origin[axis] + GRID.spacing[axis] * i, deep=1))
    values = numpy_to_vtk(volume(step).reshape(-1), deep=1)
    values.SetName("density")
    grid.GetPointData().SetScalars(values)
    return grid


def steps(n: int, components: int = 1) -> np.ndarray:
    return np.stack([volume(step, components) for step in range(n)])


WRITERS = {
    "vti": lambda path, step: write_image(path, timed_image(step)),
    "vtk": lambda path, step: write_with("vtkIOLegacy", "vtkStructuredPointsWriter", path, timed_image(step)),
    "vtkhdf": write_vtkhdf,
    "nrrd": write_nrrd,
    "mhd": lambda path, step: write_with("vtkIOImage", "vtkMetaImageWriter", path, to_image(GRID, arrays(step))),
    "mha": lambda path, step: write_with("vtkIOImage", "vtkMetaImageWriter", path, to_image(GRID, arrays(step))),
    "nii": lambda path, step: write_with("vtkIOImage", "vtkNIFTIImageWriter", path, to_image(GRID, arrays(step))),
    "nii.gz": lambda path, step: write_with("vtkIOImage", "vtkNIFTIImageWriter", path, to_image(GRID, arrays(step))),
    "npy": lambda path, step: np.save(path, volume(step)[..., 0]),
    "npz": lambda path, step: np.savez_compressed(path, density=volume(step)[..., 0], velocity=volume(step, 3)),
}
NAMES = {"nrrd": "value", "mhd": "MetaImage", "mha": "MetaImage", "nii": "NIFTI", "nii.gz": "NIFTI", "npy": "value"}
#: VTK's NIfTI reader gives no origin, and so does ParaView; NumPy files have no grid
GRIDS = {"nii": Grid(GRID.dims, spacing=GRID.spacing), "npy": Grid(GRID.dims), "npz": Grid(GRID.dims)}
GRIDS["nii.gz"] = GRIDS["nii"]
