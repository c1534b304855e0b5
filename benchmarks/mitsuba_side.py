"""Mitsuba's half of pictures.py: FOLDER has the values and the jobs, and gets pictures and times.

python benchmarks/mitsuba_side.py FOLDER VARIANT"""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path

import mitsuba as mi
import numpy as np


def scene_of(job: dict, grid: object) -> object:
    """A cube of a heterogeneous medium in the unit cube."""
    width, height = job["size"]
    towards = np.array(job["light"]) / np.linalg.norm(job["light"])
    to_box = mi.ScalarTransform4f().scale(0.5).translate([1, 1, 1])
    scene = {
        "type": "scene",
        # events are counted as edges of the path: one more than bounces, and the one from the camera
        "integrator": {"type": "volpath", "max_depth": job["bounces"] + 1, "rr_depth": 64},
        "sensor": {
            "type": "perspective",
            "fov": job["angle"],
            "fov_axis": "y",
            "to_world": mi.ScalarTransform4f().look_at(job["position"], job["focal_point"], [0, 0, 1]),
            "film": {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "box"}},
            "sampler": {"type": "independent", "sample_count": job["spp"]},
        },
        "light": {"type": "directional", "direction": (-towards).tolist(), "irradiance": job["irradiance"]},
        "box": {
            "type": "cube",
            "to_world": to_box,
            "bsdf": {"type": "null"},
            "interior": {
                "type": "heterogeneous",
                "albedo": job["albedo"],
                "scale": job["density"],
                "sigma_t": {
                    "type": "gridvolume",
                    "grid": grid,
                    "filter_type": "trilinear",
                    "to_world": grid_to_world(grid),
                },
                "phase": {"type": "hg", "g": job["g"]},
            },
        },
    }
    if job["surroundings"]:
        scene["all_around"] = {"type": "constant", "radiance": job["surroundings"]}
    return mi.load_dict(scene)


def grid_to_world(grid: object) -> object:
    """The middles of voxels are points of the grid: half a voxel lies around the box."""
    n = grid.size()[0]
    half = 0.5 / (n - 1)
    return mi.ScalarTransform4f().translate([-half] * 3).scale(n / (n - 1))


def main() -> None:
    """Do the jobs."""
    folder = Path(sys.argv[1])
    mi.set_variant(sys.argv[2])
    grid = mi.VolumeGrid(np.load(folder / "values.npy")[..., None])
    seconds = []
    for number, job in enumerate(json.loads((folder / "jobs.json").read_text())):
        scene = scene_of(job, grid)
        picture = np.array(mi.render(scene, spp=job["spp"], seed=1))  # and compiles
        np.save(folder / f"{number}.npy", picture[..., :3])
        best = math.inf
        for repeat in range(job["repeats"]):
            before = resource.getrusage(resource.RUSAGE_SELF)
            np.array(mi.render(scene, spp=job["spp"], seed=2 + repeat))
            after = resource.getrusage(resource.RUSAGE_SELF)
            best = min(best, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        seconds.append({"seconds": best if job["repeats"] else None, "variant": mi.variant()})
    (folder / "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
