"""The page of `hyperinr view`, in real headless Chromium: sliders move, pictures change, each browser for itself."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from models import random_model
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from view_models import picture_model

from hyperinr.plugin.drawing import Drawing
from hyperinr.plugin.view import answer
from hyperinr_core import hinr
from hyperinr_core.pictures import to_bytes
from hyperinr_core.volume import Parameter

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1100,760"
)
TIME = Parameter("time", "time", (0.0, 2.0), "s", (0.0, 1.0, 2.0))
LIGHT = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
    TIME,
)


@pytest.fixture
def page(tmp_path):
    """Starts a server for a model, and answers with its address."""
    processes = []

    def start(model):
        hinr.save(model, tmp_path / "model.hinr")
        command = [sys.executable, "-m", "hyperinr.plugin.cli", "view", tmp_path / "model.hinr", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        processes.append(process)
        line = process.stdout.readline()
        assert re.match(r"http://127\.0\.0\.1:\d+/", line), line + process.stdout.read()
        return line.split()[0]

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def browsers(tmp_path):
    """Opens headless browsers with profiles of their own."""
    opened = []

    def start(address):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path}/profile{len(opened)}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        opened.append(browser)
        browser.get(address)
        wait(lambda: picture(browser))
        return browser

    yield start
    for browser in opened:
        browser.quit()


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.05)


def picture(browser):
    found = browser.execute_script("return document.getElementById('picture')?.src")
    return found if found and found.startswith("data:image") else None


def pixels(url):
    """(ny, nx, C) lowest row first."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))[::-1]


def move(browser, name, value):
    """Move a slider as a hand does: the value, then the event that the page listens to."""
    before = picture(browser)
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'))"
    )
    browser.execute_script(script, name, str(value))
    wait(lambda: picture(browser) != before)
    return picture(browser)


def settled(browser):
    """The picture that stays."""
    last, since = picture(browser), time.monotonic()
    while time.monotonic() - since < 0.6:
        time.sleep(0.05)
        if picture(browser) != last:
            last, since = picture(browser), time.monotonic()
    return last


def test_two_browsers_move_sliders_of_pictures_each_for_itself(page, browsers, tmp_path):
    address = page(picture_model(size=(64, 48)))
    first, second = browsers(address), browsers(address)
    others = picture(second)
    move(first, "phi", 40)
    move(first, "theta", -20)
    shown = settled(first)
    expected = to_bytes(hinr.load(tmp_path / "model.hinr").generate((40.0, -20.0)).sample_grid()[0])
    assert np.abs(pixels(shown).astype(int) - expected).mean() < 12  # JPEG of noise
    assert picture(second) == others, "one browser moved the other's sliders"
    assert float(first.find_element("id", "latency").get_attribute("data-server")) > 0
    assert "ms here" in first.find_element("id", "latency").text
    assert first.save_screenshot(str(tmp_path / "page.png"))
    screen = np.array(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert screen[100:300, 100:400].std() > 10, "the picture is not on the screen"


def test_a_volume_turns_and_plays(page, browsers):
    browser = browsers(page(random_model((20, 18, 16), parameters=LIGHT)))
    start = picture(browser)
    assert move(browser, "polar", 20) != start
    turned = move(browser, "azimuth ", 200)
    assert np.abs(pixels(turned).astype(int) - pixels(start)).mean() > 1
    move(browser, "opacity", 0.1)
    before = settled(browser)
    browser.find_element("id", "play").click()
    wait(lambda: picture(browser) != before)
    browser.find_element("id", "play").click()
    before = settled(browser)
    drag = """const p = document.getElementById('picture'); const at = (n, x) => p.dispatchEvent(new PointerEvent(n,
        {clientX: x, clientY: 100, pointerId: 1, bubbles: true})); p.setPointerCapture = () => 0;
        at('pointerdown', 100); at('pointermove', 160); at('pointerup', 160)"""
    browser.execute_script(drag)
    wait(lambda: picture(browser) != before)
    assert not browser.find_elements("id", "error")


def test_the_server_answers_wrong_requests_with_a_sentence():
    drawing = Drawing(random_model(), "m")
    look = {item["name"]: item["value"] for item in drawing.description()["look"]}
    assert answer(drawing, {"time": 0.5}, look)["picture"].startswith("data:image/jpeg")
    assert answer(drawing, {"time": 99.0}, look)["picture"]  # clamped
    for values, how, message in (
        ({"time": "x"}, look, "time is 'x'"),
        ({"time": float("nan")}, look, "expected a finite number"),
        ({}, look, "expected one for each of"),
        ({"time": 0.5}, {}, "the look is"),
        ({"time": 0.5}, {**look, "colors": "none"}, "expected colors of"),
        ([], look, "no set of values"),
    ):
        assert message in answer(drawing, values, how)["error"]


def test_planes_are_drawn_in_colours():
    drawing = Drawing(random_model((30, 20, 1)), "plane")
    look = {item["name"]: item["value"] for item in drawing.description()["look"]}
    media, data = drawing.draw({"time": 0.5}, look)
    assert media == "image/jpeg" and Image.open(io.BytesIO(data)).size == (30, 20) and drawing.kind == "plane"


def test_a_port_in_use_is_said(page, tmp_path):
    port = page(random_model()).rstrip("/").rsplit(":", 1)[1]
    command = [sys.executable, "-m", "hyperinr.plugin.cli", "view", tmp_path / "model.hinr", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and f"port {port} cannot be listened on" in result.stderr
    assert "Traceback" not in result.stderr
