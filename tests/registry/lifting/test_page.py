"""The page of lifted poses in a real browser: both views over time, for one and for all, on a laptop and a phone."""

import time

import numpy as np
import pytest
from browsers import open_browser

from poseplug.registry.api import lift_file

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LINES = "return document.querySelectorAll('#seen line').length"
# Joints of people that are drawn in 3D; the first trace is the floor.
DRAWN = """
const bones = document.getElementById('lifted').data.slice(1);
return bones.reduce((sum, trace) => sum + trace.x.filter((x) => x !== null).length, 0);
"""
GO_TO = (
    "const time = document.getElementById('time'); time.value = arguments[0]; time.dispatchEvent(new Event('input'))"
)
CHOOSE = "const who = document.getElementById('who'); who.value = arguments[0]; who.dispatchEvent(new Event('change'))"
WIDE = "return document.documentElement.scrollWidth > innerWidth"


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(lifting_run, walking, tmp_path_factory):
    """Two people, one of whom leaves after twenty of forty frames."""
    folder = tmp_path_factory.mktemp("page")
    pixels = walking.joints_2d.numpy()
    both = np.stack([pixels[:40] * 0.5, pixels[100:140] * 0.5 + [450, 0]], 1)
    both[20:, 1] = np.nan
    np.save(folder / "people.npy", both)
    told = lift_file(
        *(lifting_run.path, folder / "people.npy"), page=folder / "people.html", skeleton="h36m16", size=(1000, 1002)
    )
    assert told["tracks"] == 2, told
    return folder / "people.html"


@pytest.mark.parametrize("width", [1200, 390])
def test_everyone_and_each_over_time(browser, page, width):
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    assert browser.execute_script(LINES) == 2 * 15
    assert browser.execute_script(DRAWN) == 2 * 2 * 15
    assert not browser.execute_script(WIDE)
    browser.execute_script(GO_TO, 30)
    assert browser.find_element("id", "frame").text == "frame 30"
    assert (browser.execute_script(LINES), browser.execute_script(DRAWN)) == (15, 30)
    # The second has no pose there, so the first frame with one is shown.
    browser.execute_script(CHOOSE, "1")
    assert browser.find_element("id", "frame").text == "frame 0"
    assert browser.execute_script(DRAWN) == 30
    browser.find_element("id", "play").click()
    time.sleep(1)
    assert browser.find_element("id", "play").text == "Pause"
    assert browser.find_element("id", "frame").text != "frame 0"
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not complaints
