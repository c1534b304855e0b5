"""`hyperinr view`: a model in the browser, as a page with sliders."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Union

import click

from hyperinr.plugin.drawing import Draws, PictureDrawing
from hyperinr.plugin.options import backend_option, model_argument
from hyperinr.plugin.radiance_drawing import RadianceDrawing
from hyperinr.plugin.voxel_drawing import MOST_POINTS, VoxelDrawing
from hyperinr_core.errors import BackendError, HyperINRError, ParameterError

WWW = Path(__file__).parents[1] / "www"

#: What draws volumes and planes in the browser; the build fetches it.
VTK_JS = WWW / "vtk.js"

#: What trame's client shows; braces are for whether the server is gone.
PAGE = '<hyperinr-viewer v-if="description" :description="description" {}></hyperinr-viewer>'

#: Requests answered at a time; each takes what processors there are for most of its time.
N_THREADS = 2

Shown = Union[Draws, VoxelDrawing]


@click.command()
@model_argument
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes any that is free."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 lets others look, too."
)
@click.option(
    "--points", default=MOST_POINTS, show_default=True, type=click.IntRange(8, 512), help="Along a volume's axis."
)
@click.option(
    "--shadow", type=click.Path(exists=True, dir_okay=False), help="Shadow model of the volume; else light is swept."
)
@click.option("--open/--no-open", "open_browser", default=False, help="Whether to open a browser on this machine.")
@backend_option
def view(model: str, port: int, host: str, points: int, shadow: str | None, open_browser: bool, backend: str) -> None:
    """Show MODEL in the browser: sliders for time, light, view and all other parameters, volumes on its graphics card."""
    serve(shown_of(model, points, shadow, backend), host, port, open_browser)


def shown_of(path: str, points: int, shadow: str | None, backend: str) -> Shown:
    """What the page shows of a file.

    Raises
    ------
    HyperINRError for files that are none, and for volumes without what draws them.
    """
    from hyperinr_core import hinr
    from hyperinr_core.loading import load_any
    from hyperinr_core.pictures.picture_set import is_picture
    from hyperinr_core.radiance.model import RadianceModel

    title, model = Path(path).name, load_any(path)
    is_flat = isinstance(model, RadianceModel) or model.grid.dims[2] == 1
    if shadow and is_flat:
        raise ParameterError(
            f"--shadow is given for {title}, which has no volume; expected one of a volume, leave it out"
        )
    if isinstance(model, RadianceModel):
        return RadianceDrawing(model, title)
    if is_picture(model.grid, model.fields):
        return PictureDrawing(model, title, backend)
    if not VTK_JS.exists():
        raise HyperINRError(
            f"{VTK_JS.name}, which draws volumes in the browser, is not beside the page in {WWW}; the package was built "
            "without the network, install it again with the network"
        )
    return VoxelDrawing(model, title, points, backend, hinr.load(shadow) if shadow else None)


def serve(shown: Shown, host: str, port: int, open_browser: bool = False) -> None:
    """Serve the page until Ctrl-C.

    Raises
    ------
    HyperINRError without trame; BackendError when the address cannot be listened on.
    """
    server = _server(shown)

    def ready(**_: Any) -> None:
        click.echo(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{server.port}/  (Ctrl-C ends it)")

    server.controller.on_server_ready.add(ready)
    sys.argv = sys.argv[:1]  # trame reads options of its own from there
    try:
        server.start(
            port=port, host=host, open_browser=open_browser, show_connection_info=False, disable_logging=True, timeout=0
        )
    except OSError as error:
        raise BackendError(
            f"{host} port {port} cannot be listened on ({error.strerror or error}); expected an address of this machine and "
            "a free port, choose another with --port"
        ) from error


def _server(shown: Shown) -> Any:
    # voxels in 16 bits take longer to deflate than to evaluate, and come out hardly smaller
    os.environ.setdefault("WSLINK_WS_COMPRESS", "0")
    try:
        from trame.app import get_server
        from trame.ui.html import DivLayout
    except ImportError:
        raise HyperINRError(
            "the page needs trame, which is not installed; run `pip install 'hyperinr[view]'`"
        ) from None
    for name in ("trame", "trame_server", "trame_client", "wslink", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)
    server = get_server("hyperinr", client_type="vue3")
    server.enable_module(
        {
            "serve": {"__hyperinr": str(WWW)},
            "scripts": [f"__hyperinr/{VTK_JS.name}"] if isinstance(shown, VoxelDrawing) else [],
            "module_scripts": ["__hyperinr/viewer.js"],
            "styles": ["__hyperinr/viewer.css"],
            "vue_use": ["hyperinr_viewer"],
        }
    )
    server.state.trame__title = shown.description()["title"]
    server.state.description = shown.description()
    pool = ThreadPoolExecutor(N_THREADS, "hyperinr-page")

    def offer(name: str, ask: Callable[..., dict[str, Any]]) -> None:
        @server.trigger(name)
        async def asked(*arguments: Any) -> dict[str, Any]:
            return await asyncio.get_running_loop().run_in_executor(pool, answer, ask, *arguments)

    for name, ask in questions(shown).items():
        offer(name, ask)

    # what trame's client puts in the page's place when the server is gone, instead of a spinner
    server.state.trame__template_error = PAGE.format("gone")
    with DivLayout(server) as layout:
        layout.root.add_child(PAGE.format(""))
    return server


def questions(shown: Shown) -> dict[str, Callable[..., dict[str, Any]]]:
    """What the page may ask, by name: each gives a part of the answer. Bytes go to it as they are."""
    if isinstance(shown, VoxelDrawing):
        return {
            "voxels": lambda values, field: {"data": shown.voxels(values, field)},
            "light": lambda values, field, light: {"data": shown.light(values, field, light)},
        }

    def render(values: Any, look: Any, size: Any) -> dict[str, Any]:
        if not isinstance(look, dict):
            raise ParameterError("the page asked for something that is no set of values; reload it")
        media, data = shown.draw(values, look, size)
        return {"picture": f"data:{media};base64,{base64.b64encode(data).decode()}"}

    return {"render": render}


def answer(ask: Callable[..., dict[str, Any]], values: Any, *others: Any) -> dict[str, Any]:
    """What the page is told: what `ask` gives, with "milliseconds", or {"error": sentence}."""
    begun = time.perf_counter()
    try:
        if not isinstance(values, dict):
            raise ParameterError("the page asked for something that is no set of values; reload it")
        told = ask(values, *others)
    except HyperINRError as error:
        return {"error": str(error)}
    return {**told, "milliseconds": 1e3 * (time.perf_counter() - begun)}
