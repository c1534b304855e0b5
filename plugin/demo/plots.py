"""The demo's figures: labelled panels side by side, and the animation. Pictures in, pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from hyperinr_core.pictures import look

#: That of the pictures themselves.
BACKGROUND = look.BACKGROUND
INK = "#e8e6e3"

#: Milliseconds that a frame of the animation stays.
FRAME_MS = 50


def strip(
    path: Path,
    panels: Sequence[tuple[Path, str]],
    bars: Sequence[tuple[int, str, str, tuple[float, float]]],
    title: str,
) -> None:
    """Save labelled panels side by side.

    Parameters
    ----------
    panels : picture and label of each.
    bars : for each colour bar the number of panels above it, its label, matplotlib's colour map, and the range.
    """
    figure = Figure(figsize=(2.9 * len(panels), 3.9), dpi=150, facecolor=BACKGROUND)
    width = 1 / len(panels)
    for column, (picture, label) in enumerate(panels):
        axes = figure.add_axes((column * width + 0.002, 0.17, width - 0.004, 0.69))
        axes.imshow(Image.open(picture))
        axes.set_title(label, color=INK, fontsize=11)
        axes.axis("off")
    start = 0
    for span, label, colormap, limits in bars:
        axes = figure.add_axes(((start + span / 2 - 0.6) * width, 0.115, 1.2 * width, 0.025))
        bar = figure.colorbar(ScalarMappable(Normalize(*limits), colormap), cax=axes, orientation="horizontal")
        bar.set_label(label, color=INK, fontsize=9)
        bar.outline.set_visible(False)
        axes.tick_params(colors=INK, labelsize=8)
        start += span
    figure.suptitle(title, color=INK, fontsize=12, y=0.985)
    figure.savefig(path, facecolor=BACKGROUND)


def animation(path: Path, frames: Sequence[Path], labels: Sequence[str]) -> None:
    """Save an endless GIF of pictures, each with a label in its lower left corner."""
    pictures = [_labelled(Image.open(frame).convert("RGB"), label) for frame, label in zip(frames, labels)]
    palette = _shared_palette(pictures)
    # one palette without dithering: still regions stay still, and the file stays small
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    indexed[0].save(path, save_all=True, append_images=indexed[1:], duration=FRAME_MS, loop=0, optimize=False)


def _labelled(picture: Image.Image, label: str) -> Image.Image:
    # matplotlib's own font: Pillow has one that can be sized since 10.1 alone
    font = ImageFont.truetype(findfont(FontProperties()), max(10, picture.height // 28))
    ImageDraw.Draw(picture).text((12, picture.height - 12), label, INK, font, anchor="ls")
    return picture


def _shared_palette(pictures: Sequence[Image.Image]) -> Image.Image:
    """The 256 colours that suit a sample of all pictures."""
    sample = np.concatenate([np.asarray(picture)[::2, ::2] for picture in pictures[:: max(1, len(pictures) // 8)]])
    return Image.fromarray(sample).quantize(256, method=Image.Quantize.MEDIANCUT)
