"""The page in a real browser: it draws all, complains of nothing, and fits a laptop and a phone in both themes."""

import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from browsers import open_browser
from grid_folders import made_up

from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.finished_runs import open_results
from poseplug.registry.reports.examples import find_examples
from poseplug.registry.reports.page import html
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.report import make_page
from poseplug.registry.reports.rows import Rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOWN = """
const done = [...document.querySelectorAll('.plot')].filter((plot) => plot.querySelector('.main-svg'));
return [document.querySelectorAll('.plot').length, done.length];
"""
# What reaches over the right edge, but for what scrolls in a box of its own.
TOO_WIDE = """
const own = (e) => e.closest('.table, pre, .js-plotly-plot') !== null;
return [...document.body.querySelectorAll('*')]
    .filter((e) => !own(e) && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80));
"""
# Plots whose drawing is wider than their place.
CUT = """
return [...document.querySelectorAll('.plot .main-svg')]
    .filter((svg) => svg.getBoundingClientRect().width > svg.closest('.plot').getBoundingClientRect().width + 1).length;
"""


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(trained_grid, tmp_path_factory):
    question = Question.of(Rows.of(open_results(trained_grid)))
    made = make_page(question, lambda: find_examples(question, load_catalogue(), torch.device("cpu"), 2))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html(made), encoding="utf-8")
    return path


def open_at(browser, page, width, theme):
    """Open the page and go through it to its end, so that everything is drawn."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    emulated = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach((folded) => { folded.open = true; });")
    until = time.monotonic() + 60
    plots, drawn = 1, 0
    while drawn < plots and time.monotonic() < until:
        browser.execute_script(
            "scrollBy(0, 700); if (scrollY + innerHeight >= document.body.scrollHeight) scrollTo(0, 0);"
        )
        time.sleep(0.1)
        plots, drawn = browser.execute_script(SHOWN)
    return plots, drawn


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_drawn_whole(browser, page, width, theme):
    browser.get_log("browser")
    plots, drawn = open_at(browser, page, width, theme)
    assert plots == drawn
    assert plots >= 8
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(TOO_WIDE) == []
    assert browser.execute_script(CUT) == 0
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    ink = browser.execute_script("return getComputedStyle(document.querySelector('#plot-results .ytick text')).fill")
    dark, light = (sum(map(int, colour[4:-1].split(","))) < 3 * 128 for colour in (background, ink))
    assert dark == (theme == "dark")
    assert light == (theme == "light")


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_cover_neither_one_another_nor_the_page(browser, tmp_path, width):
    levels = {
        "source": ["bvh:path=lab,cameras=h36m,split=train", "fk_generator:inter_frames=5,seed_frames=all of them"],
        "augmentor": ["none", "rigid:share=0.5+jitter:length=0.1"],
        "lr": [1e-4, 3e-4, 1e-3],
    }
    results = made_up(levels, [0, 1], np.random.default_rng(0).random)
    page = tmp_path / "report.html"
    page.write_text(html(make_page(Question.of(Rows.of(results)))), encoding="utf-8")
    plots, drawn = open_at(browser, page, width, "light")
    assert plots == drawn
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CUT) == 0
    boxes = """
    return [...document.querySelectorAll('.plot')].map((plot) =>
        [...plot.querySelectorAll('.ytick text, .annotation-text')].map((e) => e.getBoundingClientRect())
            .map((box) => [box.top, box.bottom, box.left, box.right]));
    """
    found = browser.execute_script(boxes)
    assert sum(map(len, found)) > 20
    for named in found:
        named.sort()
        assert all(below[0] >= above[1] - 1 for above, below in pairwise(named))
        assert all(left >= -1 and right <= width + 1 for _, _, left, right in named)


def test_the_theme_can_change_while_it_is_open(browser, page):
    open_at(browser, page, 1280, "light")
    ink = "return getComputedStyle(document.querySelector('#plot-results .ytick text')).fill"
    before = browser.execute_script(ink)
    emulated = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    until = time.monotonic() + 20
    while browser.execute_script(ink) == before and time.monotonic() < until:
        time.sleep(0.1)
    assert browser.execute_script(ink) != before


def test_cases_are_chosen_and_laid_over_one_another(browser, page):
    open_at(browser, page, 1280, "light")
    state = "const v = document.getElementById('viewer'); return v.data.map((t) => [t.type, Math.max(...t.x)]);"
    key = "return document.getElementById('viewer-key').innerText"
    beside, said = browser.execute_script(state), browser.execute_script(key)
    assert {kind for kind, _ in beside} == {"scatter3d"}
    browser.execute_script("document.getElementById('viewer-over').click()")
    over = browser.execute_script(state)
    assert over[-1][1] < beside[-1][1]
    browser.execute_script("document.querySelectorAll('#viewer-cases button')[2].click()")
    assert browser.execute_script(key) != said
    pressed = "return [...document.querySelectorAll('#viewer-cases button')].map((b) => b.ariaPressed)"
    assert browser.execute_script(pressed)[:4] == ["false", "false", "true", "false"]


def test_tables_sort_by_their_numbers(browser, page):
    open_at(browser, page, 1280, "light")
    column = """
    const table = document.querySelector('#results table');
    const heading = table.querySelector('th.number');
    heading.click();
    const at = heading.cellIndex;
    return [...table.tBodies[0].rows].map((row) => Number(row.cells[at].dataset.value));
    """
    up, down = browser.execute_script(column), browser.execute_script(column)
    assert up == sorted(up)
    assert down == up[::-1]
    assert len(up) == 4
