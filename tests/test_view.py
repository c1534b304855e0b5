"""The page of `hyperinr view`, in real headless Chromium: sliders move, pictures change, each browser for itself."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from models import random_model
from PIL import Image
from radiance_models import ball_model
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from view_models import picture_model

from hyperinr.plugin.commands.view import answer
from hyperinr.plugin.drawing import Drawing
from hyperinr_core import hinr
from hyperinr_core.pictures.look import BACKGROUND, looks_of
from hyperinr_core.pictures.picture_set import to_bytes
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.volume import Field, Parameter

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


SIZE = [300, 256]
SCALAR_AND_VECTOR = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((-1.0, 1.0),) * 3, "m/s"))


@pytest.fixture
def page(tmp_path):
    """Starts a server for a model, and answers with its address; `page.processes` has what was started."""
    processes = []

    def start(model, port=0):
        save = file.save if isinstance(model, RadianceModel) else hinr.save
        save(model, tmp_path / "model.hinr")
        command = [sys.executable, "-m", "hyperinr.plugin.cli", "view", tmp_path / "model.hinr", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        processes.append(process)
        line = process.stdout.readline()
        assert re.match(r"http://127\.0\.0\.1:\d+/", line), line + process.stdout.read()
        return line.split()[0]

    start.processes = processes
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


def push(browser, name, value):
    """Move a slider as a hand does: the value, then the event that the page listens to."""
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'))"
    )
    browser.execute_script(script, name, str(value))


def move(browser, name, value):
    """The picture after a slider was moved."""
    before = picture(browser)
    push(browser, name, value)
    wait(lambda: picture(browser) != before)
    return picture(browser)


def enter(browser, name, text):
    """Type a number beside a slider, and Enter."""
    box = browser.find_element("id", f"{name}-number")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(text, Keys.ENTER)


def chosen(browser, group):
    """What the sliders of a group stand at."""
    return browser.execute_script(f"return {{...hyperinr_viewer.store.{group}}}")


def message(browser):
    """What the page says over the picture."""
    return browser.execute_script("return document.getElementById('error')?.innerText ?? ''")


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
    move(first, "slider-phi", 40)
    move(first, "slider-theta", -20)
    shown = settled(first)
    expected = to_bytes(hinr.load(tmp_path / "model.hinr").generate((40.0, -20.0)).sample_grid()[0])
    assert np.abs(pixels(shown).astype(int) - expected).mean() < 12  # JPEG of noise
    assert picture(second) == others, "one browser moved the other's sliders"
    assert float(first.find_element("id", "latency").get_attribute("data-server")) > 0
    assert "ms drawing" in first.find_element("id", "latency").text
    assert first.save_screenshot(str(tmp_path / "page.png"))
    screen = np.array(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert screen[100:300, 100:400].std() > 10, "the picture is not on the screen"


def test_a_volume_turns_and_plays(page, browsers):
    browser = browsers(page(random_model((20, 18, 16), parameters=LIGHT)))
    start = picture(browser)
    assert move(browser, "slider-polar", 20) != start
    turned = move(browser, "look-azimuth", 200)
    assert np.abs(pixels(turned).astype(int) - pixels(start)).mean() > 1
    move(browser, "look-density", 0.1)
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
    before = settled(browser)
    wheel = "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -400, cancelable: true}))"
    browser.execute_script(wheel, browser.find_element("id", "picture"))
    wait(lambda: picture(browser) != before)
    assert chosen(browser, "view")["zoom"] == 2 and chosen(browser, "sliders")["azimuth"] == 180  # the light's
    assert message(browser) == ""


def test_a_radiance_field_turns_in_fewer_pixels_and_rests_in_all(page, browsers):
    browser = browsers(page(ball_model()))
    browser.execute_script("p = document.getElementById('picture'); p.setPointerCapture = () => 0")
    at = """p.dispatchEvent(new PointerEvent(arguments[0], {clientX: arguments[1], clientY: 100, pointerId: 1, bubbles: true}))"""
    before = settled(browser)
    browser.execute_script(at, "pointerdown", 100)
    browser.execute_script(at, "pointermove", 160)
    wait(lambda: picture(browser) != before)
    moving = settled(browser)
    browser.execute_script(at, "pointerup", 160)
    wait(lambda: picture(browser) != moving)
    at_rest = settled(browser)
    assert pixels(moving).size < pixels(before).size == pixels(at_rest).size
    assert chosen(browser, "sliders")["phi"] == 150 and message(browser) == ""
    push(browser, "look-zoom", 2)
    wait(lambda: picture(browser) != at_rest)


def test_the_field_is_chosen_named_and_has_a_colour_bar(page, browsers):
    browser = browsers(page(random_model((20, 18, 16), fields=SCALAR_AND_VECTOR)))
    bar = browser.find_element("id", "colorbar")
    assert bar.text.startswith("density [kg/m^3]")
    density = settled(browser)
    Select(browser.find_element("id", "field")).select_by_visible_text("velocity (magnitude)")
    wait(lambda: picture(browser) != density)
    assert bar.text.startswith("velocity (magnitude) [m/s]")
    enter(browser, "look-low", "0.25")
    enter(browser, "look-high", "8")  # beyond the slider's end
    wait(lambda: bar.text.split()[-1] == "8")
    assert bar.text.split()[3:] == ["0.25", "2", "4", "6", "8"]
    gradient = browser.execute_script("return document.querySelector('#colorbar .bar').style.background")
    colors = COLOR_MAPS[browser.find_element("id", "look-colors").get_attribute("value")]
    assert [f"rgb({', '.join(str(round(255 * c)) for c in rgb)})" for _, *rgb in colors] == re.findall(
        r"rgb\([^)]*\)", gradient
    )
    Select(browser.find_element("id", "field")).select_by_value("density")  # with the range that it had
    wait(lambda: bar.text.startswith("density"))
    assert settled(browser) == density


def test_training_values_are_marked_and_numbers_typed(page, browsers, tmp_path):
    many = Parameter("dose", "free", (0.0, 1.0), "Gy", tuple(np.linspace(0, 1, 501)))
    browser = browsers(page(random_model(parameters=(TIME, many))))
    places = """return [...document.getElementById(arguments[0]).parentElement.querySelectorAll('.marks i')].map(
        (mark) => parseFloat(mark.style.left))"""
    assert browser.execute_script(places, "slider-time") == [0, 50, 100]
    thinned = browser.execute_script(places, "slider-dose")
    assert 20 < len(thinned) < 70 and min(np.diff(thinned)) > 1.5
    before = settled(browser)
    enter(browser, "slider-time", "0.123456789")
    wait(lambda: picture(browser) != before)
    assert chosen(browser, "sliders")["time"] == 0.123456789
    enter(browser, "slider-time", "77")
    wait(lambda: chosen(browser, "sliders")["time"] == 2.0)
    enter(browser, "slider-time", "")
    assert browser.find_element("id", "slider-time-number").get_attribute("value") == "2"


def test_the_picture_is_as_large_as_the_window_gives(page, browsers):
    browser = browsers(page(random_model()))
    heights = []
    for width, height in ((1000, 680), (1300, 900), (3000, 2000)):
        before = picture(browser)
        browser.set_window_size(width, height)
        wait(lambda before=before: picture(browser) != before)
        drawn = np.array(pixels(settled(browser)).shape[1::-1])
        shown = browser.find_element("id", "picture").size
        shown = np.array([shown["width"], shown["height"]])
        assert (np.abs(drawn - shown * min(1, 1024 / shown.max())) <= 32).all()
        heights.append(drawn[1])
    assert heights == sorted(set(heights))


def test_a_server_that_dies_is_said_and_gone_on_with_when_it_is_back(page, browsers):
    model = random_model(fields=SCALAR_AND_VECTOR)
    address = page(model)
    browser = browsers(address)
    move(browser, "slider-time", 1.5)
    Select(browser.find_element("id", "field")).select_by_value("velocity")
    last = settled(browser)
    page.processes[0].kill()
    wait(lambda: "The server is gone" in message(browser), 10)
    assert picture(browser) == last and browser.find_element("id", "slider-time").get_attribute("value") == "1.5"
    assert browser.execute_script("return document.getElementById('picture').naturalWidth") > 0
    push(browser, "slider-time", 0.5)
    page.processes[0].wait(20)
    page(model, port=address.rstrip("/").rsplit(":", 1)[1])
    wait(lambda: message(browser) == "" and picture(browser) not in (None, last), 30)
    assert chosen(browser, "sliders") == {"time": 0.5}
    assert browser.find_element("id", "field").get_attribute("value") == "velocity"


def test_a_server_that_hangs_is_said(page, browsers):
    browser = browsers(page(random_model()))
    last = settled(browser)
    page.processes[0].send_signal(signal.SIGSTOP)
    push(browser, "slider-time", 0.5)
    wait(lambda: "has not answered for 5 seconds" in message(browser))
    page.processes[0].send_signal(signal.SIGCONT)
    wait(lambda: message(browser) == "" and picture(browser) != last)


def test_an_error_is_shown_until_the_next_good_answer(page, browsers):
    browser = browsers(page(random_model()))
    settled(browser)
    browser.execute_script("hyperinr_viewer.store.view.zoom = 'near'")
    push(browser, "slider-time", 0.5)
    wait(lambda: message(browser) == "zoom is 'near'; expected a finite number")
    browser.execute_script("hyperinr_viewer.store.view.zoom = 1")
    push(browser, "slider-time", 0.7)
    wait(lambda: message(browser) == "")


def look_of(drawing, number=0):
    """What the page sends before anything is moved."""
    description = drawing.description()
    field = description["fields"][number]
    items = (*field["items"], *description["view"])
    return {"field": field["name"], **{item["name"]: item["value"] for item in items}}


def test_the_server_answers_wrong_requests_with_a_sentence():
    drawing = Drawing(random_model(), "m")
    look = look_of(drawing)
    assert answer(drawing, {"time": 0.5}, look, SIZE)["picture"].startswith("data:image/jpeg")
    assert answer(drawing, {"time": 99.0}, look, SIZE)["picture"]  # clamped
    for values, how, size, message in (
        ({"time": "x"}, look, SIZE, "time is 'x'"),
        ({"time": float("nan")}, look, SIZE, "expected a finite number"),
        ({"time": 0.5}, {**look, "low": 10**400}, SIZE, "low is 1"),
        ({}, look, SIZE, "expected one for each of"),
        ({"time": 0.5}, {}, SIZE, "the field is None; expected one of density"),
        ({"time": 0.5}, {"field": "density"}, SIZE, "the look is"),
        ({"time": 0.5}, {**look, "field": ["density"]}, SIZE, "the field is ['density']"),
        ({"time": 0.5}, {**look, "colors": "none"}, SIZE, "expected field, colors, low"),
        ({"time": 0.5}, {**look, "colors": {}}, SIZE, "expected field, colors, low"),
        ({"time": 0.5}, look, None, "the size is None; expected width and height"),
        ({"time": 0.5}, look, [300, "x"], "size is 'x'"),
        ([], look, SIZE, "no set of values"),
    ):
        assert message in answer(drawing, values, how, size)["error"]


def test_the_server_bounds_the_size_of_a_picture():
    drawing = Drawing(random_model(), "m")
    for size, expected in (([1, 300.5], (256, 300)), ([1e9, 1024], (1024, 1024))):
        _, data = drawing.draw({"time": 0.5}, {**look_of(drawing), "zoom": 0}, size)
        assert Image.open(io.BytesIO(data)).size == expected


def test_a_volume_is_shown_by_the_look_that_paraview_shows_it_by():
    model = random_model((16, 16, 16), fields=SCALAR_AND_VECTOR)
    looks = looks_of(model)
    drawing = Drawing(model, "m")
    for number, name in enumerate(("density", "velocity")):
        shown = look_of(drawing, number)
        assert (shown["colors"], shown["low"], shown["high"]) == (looks[name].colors, looks[name].low, looks[name].high)
    # where the look is clear at all values of the field, nothing but its background is seen
    drawing._looks["density"] = dataclasses.replace(looks["density"], opacities=((looks["density"].low, 0.0),))
    picture = pixels("," + base64.b64encode(drawing.draw({"time": 0.5}, look_of(drawing), SIZE)[1]).decode())
    assert np.abs(picture - 255 * np.array(BACKGROUND)).max() < 2


def test_planes_are_drawn_in_colours():
    drawing = Drawing(random_model((30, 20, 1)), "plane")
    media, data = drawing.draw({"time": 0.5}, look_of(drawing), SIZE)
    assert media == "image/jpeg" and Image.open(io.BytesIO(data)).size == (30, 20) and drawing.kind == "plane"


def test_a_port_in_use_is_said(page, tmp_path):
    port = page(random_model()).rstrip("/").rsplit(":", 1)[1]
    command = [sys.executable, "-m", "hyperinr.plugin.cli", "view", tmp_path / "model.hinr", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and f"port {port} cannot be listened on" in result.stderr
    assert "Traceback" not in result.stderr
