"""`hyperinr view`: a model in the browser, as a page with sliders."""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from hyperinr.plugin.drawing import MOST_POINTS, Drawing, Draws
from hyperinr.plugin.options import backend_option, model_argument
from hyperinr.plugin.radiance_drawing import RadianceDrawing
from hyperinr_core.errors import BackendError, HyperINRError

WWW = Path(__file__).parents[1] / "www"

#: What trame's client shows; braces are for whether the server is gone.
PAGE = '<hyperinr-viewer v-if="description" :description="description" {}></hyperinr-viewer>'

#: Pictures drawn at a time; each takes what processors there are for most of its time.
N_THREADS = 2


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
@click.option("--open/--no-open", "open_browser", default=False, help="Whether to open a browser on this machine.")
@backend_option
def view(model: str, port: int, host: str, points: int, open_browser: bool, backend: str) -> None:
    """Show MODEL in the browser: sliders for time, light, view and all other parameters, and how long a picture takes."""
    from hyperinr_core.loading import load_any
    from hyperinr_core.radiance.model import RadianceModel

    title, shown = Path(model).name, load_any(model)
    if isinstance(shown, RadianceModel):
        serve(RadianceDrawing(shown, title), host, port, open_browser)
    else:
        serve(Drawing(shown, title, points, backend), host, port, open_browser)


def serve(drawing: Draws, host: str, port: int, open_browser: bool = False) -> None:
    """Serve the page until Ctrl-C.

    Raises
    ------
    HyperINRError without trame; BackendError when the address cannot be listened on.
    """
    server = _server(drawing)

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


def _server(drawing: Draws) -> Any:
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
            "scripts": ["__hyperinr/viewer.js"],
            "styles": ["__hyperinr/viewer.css"],
            "vue_use": ["hyperinr_viewer"],
        }
    )
    server.state.trame__title = drawing.description()["title"]
    server.state.description = drawing.description()
    pool = ThreadPoolExecutor(N_THREADS, "hyperinr-draw")

    @server.trigger("render")
    async def render(values: Any, look: Any, size: Any) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(pool, answer, drawing, values, look, size)

    # what trame's client puts in the page's place when the server is gone, instead of a spinner
    server.state.trame__template_error = PAGE.format("gone")
    with DivLayout(server) as layout:
        layout.root.add_child(PAGE.format(""))
    return server


def answer(drawing: Draws, values: Any, look: Any, size: Any) -> dict[str, Any]:
    """What the page is told: {"picture": data URL, "milliseconds"} or {"error": sentence}."""
    begun = time.perf_counter()
    try:
        if not isinstance(values, dict) or not isinstance(look, dict):
            return {"error": "the page asked for something that is no set of values; reload it"}
        media, data = drawing.draw(values, look, size)
    except HyperINRError as error:
        return {"error": str(error)}
    url = f"data:{media};base64,{base64.b64encode(data).decode()}"
    return {"picture": url, "milliseconds": 1e3 * (time.perf_counter() - begun)}
