"""Several pictures as a video, an animation, or numbered files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hyperinr.filters.readers.picture_files import pillow, write_picture
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.files import new_folder, replacing

#: Pictures in a second, quality of JPEG files, and the endings of what they can be written to.
FRAME_RATE, QUALITY, VIDEOS, PICTURES = 24, 95, (".mp4", ".webm"), (".png", ".jpg")


def check_name(output: Path, n_frames: int) -> None:
    """Raise ParameterError for a name that so many pictures cannot be written to, BackendError where ffmpeg is missing."""
    suffix = output.suffix.lower()
    names = PICTURES if n_frames == 1 else (*VIDEOS, ".gif", *PICTURES)
    if suffix not in names:
        several = " for several frames" if n_frames > 1 else ""
        raise ParameterError(f"output is {output}; expected a name that ends in {' or '.join(names)}{several}")
    pillow()  # said now, and not after the work
    if suffix in VIDEOS and not shutil.which("ffmpeg"):
        raise BackendError(f"there is no ffmpeg, which {suffix} needs; install it, or choose .gif, or .png (numbered)")


def write(output: Path, frames: Iterator[np.ndarray], n_frames: int) -> Path:
    """Write pictures (height, width, 3) uint8, lowest row first: one, a video, or numbered ones in a new folder of that name.

    Returns where they are.
    """
    suffix = output.suffix.lower()
    if n_frames == 1:
        write_picture(output, next(frames), QUALITY)
        return output
    if suffix in PICTURES:
        with new_folder(output.with_suffix("")) as folder:
            _write_numbered(folder, frames, suffix)
        return output.with_suffix("")
    with tempfile.TemporaryDirectory() as name, replacing(output) as part:
        _write_numbered(Path(name), frames, ".png")
        if suffix == ".gif":
            _write_gif(part, sorted(Path(name).glob("*.png")))
        else:
            _write_video(part, name, suffix)
    return output


def _write_numbered(folder: Path, frames: Iterator[np.ndarray], suffix: str) -> None:
    for number, pixels in enumerate(frames):
        write_picture(folder / f"{number:05d}{suffix}", pixels, QUALITY)


def _write_video(part: Path, folder: str, suffix: str) -> None:
    # even sides, and colours that every player knows
    command = ["ffmpeg", "-loglevel", "error", "-y", "-framerate", str(FRAME_RATE), "-i", f"{folder}/%05d.png"]
    command += ["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p", "-f", suffix[1:], str(part)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        said = result.stderr.strip().splitlines()
        raise BackendError(f"ffmpeg made no video ({said[-1] if said else 'it said nothing'}); choose .gif or .png")


def _write_gif(part: Path, files: Sequence[Path]) -> None:
    from PIL import Image

    pictures = [Image.open(file).convert("RGB").quantize(256) for file in files]
    pictures[0].save(part, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // FRAME_RATE, loop=0)
