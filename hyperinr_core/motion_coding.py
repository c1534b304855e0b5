"""Motion in few bytes: whole numbers in a frame of zstandard, what is smooth as differences along x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.packing import folded, packed, unfolded, unpacked
from hyperinr_core.volume import Field, Grid

#: Tensors of a file: paths, and trust with what error is expected.
PATHS_TENSOR, TRUST_TENSOR = "motion_paths", "motion_trust"

#: The largest error that a file may name, in units of its field, whose values reach as far.
MOST_ERROR = 1e300

_KEYS = {"nodes", "periodic", "step", "owners", "anchored", "bend", "largest_error"}


def document_of(motion: Motion) -> dict[str, Any]:
    """What a file's document says of a motion; axes as x, y, z."""
    return {
        "nodes": list(motion.nodes[::-1]),
        "periodic": list(motion.periodic[::-1]),
        "step": motion.path_step,
        "owners": list(motion.owners),
        "anchored": list(motion.anchored),
        "bend": list(motion.bend),
        "largest_error": list(motion.largest_error),
    }


def checked(document: Any, grid: Grid, fields: Sequence[Field], n_parameters: int) -> dict[str, Any]:
    """The arguments of Motion that a document holds; ValueError, without a file's name, for others."""
    if not isinstance(document, dict) or set(document) != _KEYS:
        found = sorted(map(str, document)) if isinstance(document, dict) else type(document).__name__
        raise ValueError(f"the motion has {found}; expected exactly {sorted(_KEYS)}")
    if n_parameters != 1:
        raise ValueError(f"a motion stands beside {n_parameters} parameters; expected one, which it is along")
    nodes, periodic = document["nodes"], document["periodic"]
    if not _are(nodes, int, 3) or not all(1 <= m <= n and (m > 1 or n == 1) for m, n in zip(nodes, grid.dims)):
        raise ValueError(
            f"the motion has nodes {str(nodes)[:60]} on a grid of dims {grid.dims}; expected 2 to so many each"
        )
    if not _are(periodic, bool, 3) or any(wraps and m < 3 for wraps, m in zip(periodic, nodes)):
        raise ValueError(
            f"the motion is periodic {str(periodic)[:60]}; expected three times true or false, true from 3 nodes on"
        )
    n = len(fields)
    owners, anchored = document["owners"], document["anchored"]
    n_motions = len(anchored) if isinstance(anchored, list) else 0
    if not _are(anchored, bool, n_motions) or not 1 <= n_motions <= n:
        raise ValueError(
            f"motions are anchored {str(anchored)[:60]}; expected true or false for each of 1 to {n} motions"
        )
    if not _are(owners, int, n) or not all(0 <= owner < n_motions for owner in owners):
        raise ValueError(f"fields have the motions {str(owners)[:60]}; expected {n} numbers from 0 to {n_motions - 1}")
    numbers = {}
    for name, most in (("bend", 1.0), ("largest_error", MOST_ERROR)):
        if not _are(document[name], (int, float), n) or not all(0 <= number <= most for number in document[name]):
            raise ValueError(
                f"{name} of the motion is {str(document[name])[:60]}; expected {n} numbers from 0 to {most:g}"
            )
        numbers[name] = tuple(map(float, document[name]))
    step = document["step"]
    if type(step) not in (int, float) or not 0 < step <= 1e6:
        raise ValueError(f"the step of the motion is {str(step)[:60]}; expected a number of points above 0")
    return {
        "shape": grid.shape,
        "periodic": tuple(periodic[::-1]),
        "nodes": tuple(nodes[::-1]),
        "path_step": float(step),
        "owners": tuple(owners),
        "anchored": tuple(anchored),
        **numbers,
    }


def _are(items: Any, kind: Any, n: int) -> bool:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return isinstance(items, list) and len(items) == n and all(type(item) in kinds for item in items)


def tensors_of(motion: Motion, mirrored: bool = False) -> dict[str, np.ndarray]:
    """What a file holds of a motion beside its document.

    Parameters
    ----------
    mirrored : of a path's second end the file holds the sum of both, which is zero where it leads as far back as on.
    """
    paths = motion.paths
    if mirrored:
        paths = paths.copy()
        paths[:, :, 1] += paths[:, :, 0]  # modulo 2^16
    differences = np.diff(paths, axis=-1, prepend=np.int16(0))
    codes = folded(differences)
    planes = np.concatenate([(codes & 0xFF).ravel(), (codes >> 8).ravel()]).astype(np.uint8)
    believed = np.diff(np.stack([motion.trust, motion.error]), axis=-1, prepend=np.uint8(0))
    return {PATHS_TENSOR: packed(planes, "motion is"), TRUST_TENSOR: packed(believed, "motion is")}


def motion_of(
    tensors: dict[str, np.ndarray], parts: dict[str, Any], times: np.ndarray, mirrored: bool = False
) -> Motion:
    """A motion of what `checked` gave and the tensors of a file, `mirrored` as for `tensors_of`.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such motion, before memory is taken for them.
    """
    n_gaps, shape = len(times) - 1, Nodes(parts["shape"], parts["periodic"], parts["nodes"]).coefficient_shape
    if n_gaps < 1:
        raise FormatError("a motion stands beside one encoder; expected two at least")
    n_paths = len(parts["anchored"]) * n_gaps * 6
    n_believed = len(parts["owners"]) * n_gaps
    size = math.prod(map(int, shape))
    planes = unpacked(tensors[PATHS_TENSOR], 2 * n_paths * size, "motion is", "its settings")
    believed = unpacked(tensors[TRUST_TENSOR], 2 * n_believed * size, "motion is", "its settings")
    differences = unfolded(*planes.reshape(2, -1)).reshape(len(parts["anchored"]), n_gaps, 2, 3, *shape)
    paths = np.cumsum(differences, axis=-1, dtype=np.int16)
    if mirrored:
        paths[:, :, 1] -= paths[:, :, 0]
    trust, error = np.cumsum(believed.reshape(2, len(parts["owners"]), n_gaps, *shape), axis=-1, dtype=np.uint8)
    return Motion(times=times, paths=paths, trust=trust, error=error, **parts)
