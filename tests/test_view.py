"""The page of `hyperinr view`, in real headless Chromium: sliders move, pictures change, each browser for itself."""

from __future__ import annotations

import base64
import io
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from masked import masked_model
from models import random_model
from PIL import Image
from radiance_models import ball_model
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from view_models import picture_model

from hyperinr_core import hinr
from hyperinr_core.pictures.picture_set import to_bytes
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.volume import Field, Parameter

#: Chromium draws WebGL without a graphics card by SwiftShader: windows are small.
FLAGS = (
    "--headless=new --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
WINDOW = (800, 480)
TIME = Parameter("time", "time", (0.0, 2.0), "s", (0.0, 1.0, 2.0))
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


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Headless browsers with profiles of their own, by number, which stay open."""
    opened = []

    def number(k):
        while len(opened) <= k:
            options = webdriver.ChromeOptions()
            options.binary_location = shutil.which("chromium")
            for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
                options.add_argument(flag)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            opened.append(webdriver.Chrome(options, Service(shutil.which("chromedriver"))))
            opened[-1].set_script_timeout(60)
        return opened[k]

    yield number
    for browser in opened:
        browser.quit()


@pytest.fixture
def look_at(chromium):
    """Opens an address in a browser, and waits for what is drawn; its console is clean until the test ends."""
    seen = []

    def start(address, k=0, kind="volume"):
        browser = chromium(k)
        seen.append(browser)
        browser.set_window_size(*WINDOW)
        browser.get(address)
        wait(lambda: browser.execute_script("return window.hyperinr_viewer?.store.whole > 0"))
        return browser

    yield start
    for browser in seen:
        # trame's client asks for a launcher first, which this server is none of; and the page for a server that is gone
        expected = re.compile("/paraview/|ERR_CONNECTION|ERR_EMPTY_RESPONSE|connection not open")
        told = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        complaints = [message for message in told if not expected.search(message)]
        browser.get("about:blank")
        assert complaints == []


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.05)


def picture(browser):
    """The picture that the server drew, as an address."""
    found = browser.execute_script("return document.getElementById('picture')?.src")
    return found if found and found.startswith("data:image") else None


def pixels(url):
    """(ny, nx, C) lowest row first."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))[::-1]


def drawn(browser):
    """(ny, nx, 3) what the browser draws of voxels, now."""
    script = """const done = arguments[0], view = hyperinr_viewer.stage.window.getApiSpecificRenderWindow();
        view.captureNextImage('image/png').then(done); hyperinr_viewer.stage.render()"""
    return pixels(browser.execute_async_script(script))[..., :3].astype(int)


def differs(one, other):
    """Whether two pictures of voxels show other things."""
    return one.shape != other.shape or (np.abs(one - other).max(axis=-1) > 20).mean() > 0.002


def push(browser, name, value):
    """Move a slider as a hand does: the value, then the event that the page listens to."""
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'))"
    )
    browser.execute_script(script, name, str(value))


def move(browser, name, value):
    """The server's picture after a slider was moved."""
    before = picture(browser)
    push(browser, name, value)
    wait(lambda: picture(browser) != before)
    return picture(browser)


def enter(browser, name, text):
    """Type a number beside a slider, and Enter."""
    box = browser.find_element("id", f"{name}-number")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(text, Keys.ENTER)


def click(browser, name):
    browser.execute_script("document.getElementById(arguments[0]).click()", name)


def chosen(browser, group):
    """What the user chose of a group."""
    return browser.execute_script(f"return JSON.parse(JSON.stringify(hyperinr_viewer.store.{group}))")


def asked(browser):
    """What the browser has of the server's answers."""
    return browser.execute_script("return [...hyperinr_viewer.memory.kept.keys()]")


def message(browser):
    """What the page says over the picture."""
    return browser.execute_script("return document.getElementById('error')?.innerText ?? ''")


def settled(browser):
    """The server's picture that stays."""
    last, since = picture(browser), time.monotonic()
    while time.monotonic() - since < 0.6:
        time.sleep(0.05)
        if picture(browser) != last:
            last, since = picture(browser), time.monotonic()
    return last


def changed(browser, act, n_questions=0):
    """What is drawn after an act that changes it, for which the server is asked so many questions."""
    before, known = drawn(browser), len(asked(browser))
    act()
    wait(lambda: len(asked(browser)) >= known + n_questions)
    wait(lambda: differs(drawn(browser), before), 20)
    assert len(asked(browser)) == known + n_questions and message(browser) == ""
    return drawn(browser)


def test_two_browsers_move_sliders_of_pictures_each_for_itself(page, look_at, tmp_path):
    address = page(picture_model(size=(64, 48)))
    first, second = look_at(address), look_at(address, 1)
    others = picture(second)
    move(first, "slider-phi", 40)
    move(first, "slider-theta", -20)
    shown = settled(first)
    expected = to_bytes(hinr.load(tmp_path / "model.hinr").generate((40.0, -20.0)).sample_grid()[0])
    assert np.abs(pixels(shown).astype(int) - expected).mean() < 12  # JPEG of noise
    assert picture(second) == others, "one browser moved the other's sliders"
    assert float(first.find_element("id", "latency").get_attribute("data-server")) > 0
    assert "ms on the server" in first.find_element("id", "latency").text
    assert first.save_screenshot(str(tmp_path / "page.png"))
    screen = np.array(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert screen[100:250, 50:250].std() > 10, "the picture is not on the screen"


def test_a_volume_is_turned_painted_cut_and_lit_in_the_browser(page, look_at):
    browser = look_at(page(random_model((20, 18, 16), parameters=(TIME,))))
    assert drawn(browser).std() > 3
    changed(browser, lambda: push(browser, "slider-time", 0.2), 1)
    frame = browser.find_element("id", "stage")

    def mouse():
        return ActionChains(browser, 20)

    changed(browser, lambda: mouse().click_and_hold(frame).move_by_offset(60, 20).release().perform())
    changed(
        browser,
        lambda: (
            mouse()
            .scroll_from_origin(webdriver.common.actions.wheel_input.ScrollOrigin.from_element(frame), 0, -300)
            .perform()
        ),
    )
    click(browser, "reset")

    # opacities: one dragged, one added, one taken away
    points = chosen(browser, "fields.density.opacities")

    def circles():
        return browser.find_elements("css selector", "#opacities i")

    assert len(circles()) == len(points)
    changed(browser, lambda: mouse().click_and_hold(circles()[1]).move_by_offset(0, -40).release().perform())
    assert chosen(browser, "fields.density.opacities")[1][1] > points[1][1] + 0.2
    box = browser.find_element("css selector", "#opacities .box")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    changed(browser, lambda: mouse().move_to_element_with_offset(box, 0, -40).click().perform())
    assert len(circles()) == len(points) + 1
    mouse().double_click(circles()[4]).perform()
    assert len(circles()) == len(points)
    browser.find_element("css selector", "#opacities button").click()
    assert chosen(browser, "fields.density.opacities") == points

    changed(browser, lambda: push(browser, "look-density", 0.2))
    changed(browser, lambda: Select(browser.find_element("id", "look-light")).select_by_visible_text("shadow"), 1)
    changed(browser, lambda: push(browser, "look-azimuth", 60), 1)
    changed(browser, lambda: Select(browser.find_element("id", "look-light")).select_by_visible_text("camera"))

    empty = changed(browser, lambda: click(browser, "show-volume"))
    surface = changed(browser, lambda: click(browser, "show-surface"))
    assert differs(changed(browser, lambda: push(browser, "look-level", 0.1)), surface)
    assert not differs(changed(browser, lambda: click(browser, "show-surface")), empty)
    slice_ = changed(browser, lambda: click(browser, "show-z"))
    assert differs(changed(browser, lambda: push(browser, "slice-z", 1.0)), slice_)
    Select(browser.find_element("id", "look-colors")).select_by_visible_text("Grayscale")
    wait(lambda: np.ptp(drawn(browser), axis=-1).max() < 40)  # but for the outline and the background, grey

    browser.set_window_size(500, 900)  # a phone's, as narrow as Chromium's windows get
    place = """const box = (name) => document.querySelector(name).getBoundingClientRect();
        return [box('form').top - box('figure').bottom, document.documentElement.scrollWidth - innerWidth,
                box('canvas').width - box('#stage').width, box('nav').right - innerWidth]"""
    wait(lambda: browser.execute_script(place)[0] >= 0)
    wait(lambda: abs(browser.execute_script(place)[2]) < 1)
    assert browser.execute_script(place)[1] <= 0 and browser.execute_script(place)[3] <= 0


def traced(browser):
    """The picture by paths of light over the canvas: (height, width, 3), or None where there is none."""
    script = """const done = arguments[0], shown = document.getElementById('traced');
        if (!shown) return done(null);
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [shown.naturalWidth, shown.naturalHeight];
        canvas.getContext('2d').drawImage(shown, 0, 0);
        done(canvas.toDataURL())"""
    found = browser.execute_async_script(script)
    return pixels(found)[::-1, :, :3].astype(int) if found else None


def test_a_picture_by_paths_of_light_gets_better_until_the_volume_is_turned(page, look_at, tmp_path):
    address = page(random_model((20, 18, 16), parameters=(TIME,)))
    browser, other = look_at(address), look_at(address, 1)
    click(other, "along-z")

    def turn():
        frame = browser.find_element("id", "stage")
        ActionChains(browser, 20).click_and_hold(frame).move_by_offset(60, 20).release().perform()

    click(browser, "cinematic")
    click(other, "cinematic")
    wait(lambda: traced(browser) is not None)
    assert traced(browser).std() > 3 and "%" in browser.find_element("id", "cinematic").text
    seen = set()
    wait(lambda: seen.add(chosen(browser, "cinematic")["samples"]) or chosen(browser, "cinematic")["share"] == 1)
    best = traced(browser)
    assert len(seen) > 2 and np.abs(np.subtract(best.shape, drawn(browser).shape)).max() <= 1
    assert browser.find_element("id", "save").get_attribute("download") == "model.png"
    wait(lambda: chosen(other, "cinematic")["share"] == 1)
    assert differs(traced(other), best), "one browser has the other's picture"
    known = asked(browser)
    turn()
    wait(lambda: traced(browser) is None)
    assert traced(other) is not None and asked(browser) == known and message(browser) == ""

    click(browser, "cinematic")
    wait(lambda: traced(browser) is not None)
    push(browser, "slider-time", 0.2)
    wait(lambda: traced(browser) is None)
    click(browser, "cinematic")
    wait(lambda: traced(browser) is not None)
    click(browser, "cinematic")
    wait(lambda: traced(browser) is None)
    browser.execute_script("hyperinr_viewer.store.view.density = 'thick'")
    click(browser, "cinematic")
    wait(lambda: message(browser) == "density is 'thick'; expected a finite number")
    assert chosen(browser, "cinematic") is None


def test_a_played_range_comes_from_memory(page, look_at):
    browser = look_at(page(masked_model()))
    browser.execute_script(
        "document.getElementById('range-0').value = 1; document.getElementById('range-0').dispatchEvent(new Event('change'))"
    )
    click(browser, "play")
    wait(lambda: chosen(browser, "progress")["done"] == chosen(browser, "progress")["all"] == 121)
    assert "121 of 121 frames in memory" in browser.find_element("id", "progress").text
    page.processes[0].kill()
    wait(lambda: "The server is gone" in message(browser), 10)
    known, seen = asked(browser), set()
    wait(lambda: seen.add(chosen(browser, "sliders")["time"]) or len(seen) > 20)
    assert min(seen) >= 1 and asked(browser) == known
    click(browser, "play")
    before = drawn(browser)
    push(browser, "slider-time", 1.0 if chosen(browser, "sliders")["time"] > 1.5 else 2.0)  # frames that were played
    wait(lambda: differs(drawn(browser), before))


def test_memory_is_bounded(page, look_at):
    browser = look_at(page(random_model()))
    browser.execute_script("hyperinr_viewer.memory.most = 3 * 12 * 10 * 8 * 2")
    for k in range(5):
        known = asked(browser)
        push(browser, "slider-time", 0.1 + 0.3 * k)
        wait(lambda known=known: asked(browser) != known)
    assert len(asked(browser)) == 3 and "1.3" in asked(browser)[-1]
    assert chosen(browser, "whole") > 0 and browser.execute_script("return hyperinr_viewer.memory.bytes") == 3 * 1920


def test_a_radiance_field_turns_in_fewer_pixels_and_rests_in_all(page, look_at):
    browser = look_at(page(ball_model()))
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


def test_the_field_is_chosen_named_and_has_a_colour_bar(page, look_at):
    browser = look_at(page(random_model((20, 18, 16), fields=SCALAR_AND_VECTOR)))
    bar = browser.find_element("id", "colorbar")
    assert bar.text.startswith("density [kg/m^3]")
    density = drawn(browser)
    changed(
        browser, lambda: Select(browser.find_element("id", "field")).select_by_visible_text("velocity (magnitude)"), 1
    )
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
    wait(lambda: not differs(drawn(browser), density))
    assert bar.text.startswith("density")


def test_training_values_are_marked_and_numbers_typed(page, look_at):
    many = Parameter("dose", "free", (0.0, 1.0), "Gy", tuple(np.linspace(0, 1, 501)))
    browser = look_at(page(random_model(parameters=(TIME, many))))
    places = """return [...document.getElementById(arguments[0]).parentElement.querySelectorAll('.marks i')].map(
        (mark) => parseFloat(mark.style.left))"""
    assert browser.execute_script(places, "slider-time") == [0, 50, 100]
    thinned = browser.execute_script(places, "slider-dose")
    assert 20 < len(thinned) < 70 and min(np.diff(thinned)) > 1.5
    enter(browser, "slider-time", "0.123456789")
    wait(lambda: any("0.123456789" in question for question in asked(browser)))
    assert chosen(browser, "sliders")["time"] == 0.123456789
    enter(browser, "slider-time", "77")
    wait(lambda: chosen(browser, "sliders")["time"] == 2.0)
    enter(browser, "slider-time", "")
    assert browser.find_element("id", "slider-time-number").get_attribute("value") == "2"


def test_a_plane_is_as_large_as_the_window_gives(page, look_at):
    browser = look_at(page(random_model((30, 20, 1))))
    assert drawn(browser).std() > 10
    sizes = [drawn(browser).shape[1]]
    for size in ((900, 500), (1300, 700)):
        browser.set_window_size(*size)
        wait(lambda: drawn(browser).shape[1] != sizes[-1])
        frame = browser.find_element("id", "stage")
        wait(
            lambda frame=frame: (
                np.abs(np.subtract(drawn(browser).shape[1::-1], (frame.rect["width"], frame.rect["height"]))).max() <= 1
            )
        )
        sizes.append(drawn(browser).shape[1])
    assert sizes == sorted(set(sizes))


def test_a_server_that_dies_is_said_and_gone_on_with_when_it_is_back(page, look_at):
    model = random_model(fields=SCALAR_AND_VECTOR)
    address = page(model)
    browser = look_at(address)
    changed(browser, lambda: push(browser, "slider-time", 1.5), 1)
    changed(browser, lambda: Select(browser.find_element("id", "field")).select_by_value("velocity"), 1)
    changed(browser, lambda: click(browser, "along-z"))
    last, camera = drawn(browser), browser.execute_script("return hyperinr_viewer.stage.camera()")
    page.processes[0].kill()
    wait(lambda: "The server is gone" in message(browser), 10)
    assert not differs(drawn(browser), last)
    assert browser.find_element("id", "slider-time").get_attribute("value") == "1.5"
    push(browser, "slider-time", 0.5)
    page.processes[0].wait(20)
    page(model, port=address.rstrip("/").rsplit(":", 1)[1])
    ready = "return !document.getElementById('error') && window.hyperinr_viewer?.memory?.kept.size > 0"
    wait(lambda: browser.execute_script(ready), 30)
    assert chosen(browser, "sliders") == {"time": 0.5}
    assert browser.execute_script("return hyperinr_viewer.stage.camera()") == camera
    assert browser.find_element("id", "field").get_attribute("value") == "velocity"


def test_a_server_that_hangs_is_said(page, look_at):
    browser = look_at(page(random_model()))
    page.processes[0].send_signal(signal.SIGSTOP)
    push(browser, "slider-time", 0.5)
    wait(lambda: "has not answered for 5 seconds" in message(browser))
    page.processes[0].send_signal(signal.SIGCONT)
    wait(lambda: message(browser) == "" and len(asked(browser)) == 2)


def test_an_error_is_shown_until_the_next_good_answer(page, look_at):
    browser = look_at(page(random_model()))
    browser.execute_script("hyperinr_viewer.store.sliders.time = 'soon'")
    wait(lambda: message(browser) == "time is 'soon'; expected a finite number")
    push(browser, "slider-time", 0.7)
    wait(lambda: message(browser) == "")


def test_a_port_in_use_is_said(page, tmp_path):
    port = page(random_model()).rstrip("/").rsplit(":", 1)[1]
    command = [sys.executable, "-m", "hyperinr.plugin.cli", "view", tmp_path / "model.hinr", "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and f"port {port} cannot be listened on" in result.stderr
    assert "Traceback" not in result.stderr
