"""Tests are found by name: the module y has test_y.py; of modules that share a name, all but one have test_ROOM_y.py."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = {path.stem[len("test_") :] for path in (ROOT / "tests").glob("test_*.py")}

#: Modules that other files test: names of those files, and why. A folder stands for what is in it.
ELSEWHERE = {
    "hyperinr_core/backends/base.py": ("backends", "abstract: each backend is tested against the same cases"),
    "hyperinr_core/backends/cuda.py": ("gpu", "what a missing or full card means goes through all of these"),
    "hyperinr_core/backends/device.py": ("gpu", "the same"),
    "hyperinr_core/backends/reference.py": ("backends", "what the others are compared with"),
    "hyperinr_core/backends/tcnn.py": ("gpu", "emulated there without a card"),
    "hyperinr_core/backends/tcnn_layout.py": ("gpu", "the same"),
    "hyperinr_core/backends/torch.py": ("backends", "compared with the reference"),
    "hyperinr_core/backends/triton_kernels.py": ("triton", "only the backend calls them"),
    "hyperinr_core/backends/triton_layout.py": ("triton", "the same"),
    "hyperinr_core/backends/triton_rows.py": ("triton", "the same"),
    "hyperinr_core/config.py": ("hinr", "what a file may hold"),
    "hyperinr_core/errors.py": ("bad_input", "names alone; each error is tested where it is raised"),
    "hyperinr_core/hash_grid.py": ("backends", "levels by hand, and their places in each backend"),
    "hyperinr_core/inr.py": ("hypernet", "what a hypernet generates"),
    "hyperinr_core/light/shadow_native.py": ("shadow", "the kernel and its twin, compared"),
    "hyperinr_core/light/shadow_reference.py": ("shadow", "the same"),
    "hyperinr_core/level_coding.py": ("table_coding", "only tables are coded so"),
    "hyperinr_core/motion/device.py": ("carried_device", "models whose steps stay on a device"),
    "hyperinr_core/motion/triton_kernels.py": ("motion_triton", "only what is tested there calls them"),
    "hyperinr_core/motion/kernel.py": ("motion_native", "chooses between the two that are compared there"),
    "hyperinr_core/motion/reference.py": ("motion_native", "the kernel's twin, compared"),
    "hyperinr_core/pictures/camera.py": ("radiance", "seen in what it shows of a field"),
    "hyperinr_core/pictures/picture_set.py": ("cinema", "read from a database there"),
    "hyperinr_core/pictures/background.py": ("views_task", "what a radiance field stands before, seen in its views"),
    "hyperinr_core/radiance": ("radiance", "a field, its fit and its camera, and in radiance_file its model and file"),
    "hyperinr_core/tracing": ("tracing", "medium, light and film together, against closed forms"),
    "hyperinr_core/training/views/scenes.py": ("train_radiance", "through the command"),
    "hyperinr_core/spaces/space.py": ("spaces", "abstract: what each space promises"),
    "hyperinr_core/training/replay.py": ("graph_loop", "replays what is recorded there, and in graph_fit"),
    "hyperinr_core/training/teachers/fitting.py": ("neural", "every fit goes through it"),
    "hyperinr_core/training/watch.py": ("trainer", "when a run keeps checkpoints and stops"),
    "hyperinr_core/training/evaluators/base.py": ("evaluators", "abstract: what each evaluator promises"),
    "hyperinr_core/index_document.py": ("joining", "the document of an index, read and refused with it"),
    "hyperinr_core/model.py": ("hypernet", "abstract: what one file and bricks have in common"),
    "hyperinr_core/hinr_document.py": ("hinr", "the document of a file, read and refused with the file"),
    "hyperinr_core/packing.py": ("table_coding", "tables, masks and motion are packed by it, under the tests of each"),
    "hyperinr_core/training/evaluators/tcnn.py": ("gpu", "emulated there without a card"),
    "hyperinr_core/training/evaluators/torch.py": ("evaluators_native", "what the others are compared with"),
    "hyperinr_core/training/evaluators/triton_kernels.py": ("evaluators_triton", "only the evaluator calls them"),
    "hyperinr_core/training/task.py": ("run", "abstract: what every task gets and refuses"),
    "hyperinr_core/training/teachers/base.py": ("teachers", "abstract: what each teacher promises"),
    "hyperinr_core/training/teachers/catmull_rom.py": ("teachers", "a few lines each, under the same cases"),
    "hyperinr_core/training/teachers/linear.py": ("teachers", "the same"),
    "hyperinr_core/training/teachers/spline.py": ("teachers", "the same"),
    "hyperinr_core/training/teachers/coordnet.py": ("neural", "a network each, under the same cases"),
    "hyperinr_core/training/teachers/coordx.py": ("neural", "the same"),
    "hyperinr_core/training/teachers/hash_inr.py": ("neural", "the same"),
    "hyperinr_core/training/teachers/neurcomp.py": ("neural", "the same"),
    "hyperinr_core/training/teachers/sine_network.py": ("neural", "the same"),
    "hyperinr_core/training/teachers/siren.py": ("neural", "the same"),
    "hyperinr_core/training/teachers/flow_native.py": ("optical_flow", "the kernel and its twin, compared"),
    "hyperinr_core/training/teachers/flow_reference.py": ("optical_flow", "the same"),
    "hyperinr_core/training/teachers/turned.py": ("views_task", "seen in the seam that it takes away"),
    "hyperinr_core/training/volumes/smooth.py": ("spline_base", "the fit of the base, compared with the base"),
    "hyperinr_core/training/teachers/kept_fits.py": ("train_radiance", "a fit that was stopped goes on"),
    "hyperinr_core/training/views/carrying.py": ("radiance_carrying", "what carries, and how it is found"),
    "filters/about.py": ("source", "the text of the panel"),
    "filters/panel.py": ("source", "the source's choices and answers"),
    "filters/coloring.py": ("filters_shadow", "the scalar and the colour map of a filter that lights"),
    "filters/frames.py": ("source", "the images that it keeps"),
    "filters/readers/blocks.py": ("medical_images", "planes of packed files, through the readers that ask for them"),
    "filters/readers/cf.py": ("netcdf", "conventions of NetCDF, in files"),
    "filters/readers/listing.py": ("cinema", "what readers of pictures hand on"),
    "filters/readers/picture_files.py": ("cinema", "the pictures of a database"),
    "filters/readers/tables.py": ("cinema", "the tables of a database"),
    "filters/readers/libraries.py": ("netcdf", "what a missing library says"),
    "filters/readers/mesh_worker.py": ("meshes", "the process that a reader asks"),
    "filters/readers/places.py": ("curved", "where curved axes are"),
    "filters/readers/probing.py": ("meshes", "what a mesh is sampled with"),
    "filters/readers/steps.py": ("meshes", "which values are taken, of meshes and of images"),
    "filters/readers/workers.py": ("meshes", "who asks the processes"),
    "filters/readers/meta_image.py": ("medical_images", "the formats of scanners, under the same cases"),
    "filters/readers/nifti.py": ("medical_images", "the same"),
    "filters/readers/openpmd.py": ("hdf5", "images in HDF5, under the same cases"),
    "filters/readers/upright.py": ("netcdf", "axes that descend, in files"),
    "filters/readers/vtkhdf.py": ("hdf5", "the same"),
    "filters/readers/formats.py": ("series", "a file of each kind is read as a series"),
    "filters/readers/grids.py": ("series", "the same"),
    "filters/readers/nrrd.py": ("series", "the same"),
    "filters/recording.py": ("in_situ", "a simulation records, and ParaView reads"),
    "filters/reporting.py": ("source", "what a panel says, and how often"),
    "filters/shading.py": ("filters_shadow", "colour times light"),
    "filters/training_process.py": ("writer", "what a writer starts and ends"),
    "plugin/advice.py": ("inspect", "the advice that the command gives"),
    "plugin/estimates.py": ("inspect", "what training will cost, as the command says"),
    "plugin/understanding.py": ("inspect", "the lines of the command"),
    "plugin/commands/compress.py": ("compression", "the command is how it is called there"),
    "plugin/commands/evaluate_shadow.py": ("train_shadow", "one walk from a volume to a strip"),
    "plugin/commands/join.py": ("joining", "the command is how it is called there"),
    "plugin/commands/model.py": ("cli", "info and sample, in a process of their own"),
    "plugin/commands/render.py": ("cinematic", "by paths of light there; through ParaView in paraview"),
    "plugin/commands/stop.py": ("writer", "stops what a writer started"),
    "plugin/commands/train.py": ("cli", "in a process of its own"),
    "plugin/comparison_figures.py": ("compare", "drawn by the command"),
    "plugin/demo/plots.py": ("demo", "the figures that it ends with"),
    "plugin/demo/slices.py": ("demo", "its pictures without ParaView"),
    "plugin/drawing.py": ("view", "the view draws with it"),
    "plugin/macros": ("shadow_paraview", "they run in ParaView alone"),
    "plugin/progress.py": ("cli", "lines of a terminal and of programs"),
    "plugin/scenes": ("paraview", "they run in ParaView alone"),
    "plugin/shading.py": ("shadow_paraview", "it runs in ParaView alone"),
    "plugin/video.py": ("cinematic", "the files of an animation"),
    "plugin/training.py": ("run", "what commands that train share"),
}


def modules() -> list[Path]:
    """Modules of ours, without packages."""
    found = [path for folder in ("hyperinr_core", "filters", "plugin") for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found if path.stem != "__init__")


def without_tests(paths, tests: set[str]) -> list[Path]:
    """Modules that no file is named after."""
    plain = defaultdict(list)
    for path in paths:
        if f"{path.parent.name}_{path.stem}" not in tests:
            plain[path.stem].append(path)
    return sorted(path for name, sharing in plain.items() for path in sharing if name not in tests or len(sharing) > 1)


def exception_of(path: Path) -> str | None:
    """The entry of ELSEWHERE that names a module, or its folder."""
    return next((entry for entry in (path.as_posix(), path.parent.as_posix()) if entry in ELSEWHERE), None)


def test_every_module_has_a_file_of_tests_or_a_reason():
    left = [path for path in without_tests(modules(), TESTS) if exception_of(path) is None]
    assert left == [], "expected tests/test_NAME.py, or test_ROOM_NAME.py where another module has the name"


def test_no_reason_is_given_in_vain_or_names_a_file_that_is_not_there():
    assert {exception_of(path) for path in without_tests(modules(), TESTS)} - {None} == set(ELSEWHERE)
    assert {name for name, _ in ELSEWHERE.values()} <= TESTS


def test_modules_that_share_a_name_cannot_share_a_file():
    paths = [Path("a/x.py"), Path("b/x.py"), Path("b/y.py")]
    assert without_tests(paths, {"x", "y"}) == paths[:2]
    assert without_tests(paths, {"x", "b_x"}) == [Path("b/y.py")]
