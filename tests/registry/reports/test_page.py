"""The page of a real grid, read as a browser would: whole, valid, by itself, and true to the data set."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from grid_folders import AUGMENTORS, LIFTERS, made_up

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.finished_runs import open_results
from poseplug.registry.reports.examples import find_examples
from poseplug.registry.reports.page import html
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.report import make_page
from poseplug.registry.reports.rows import Rows

SECTIONS = ["results", "differences", "effects", "training", "actions", "joints", "examples", "without-result"]
SECTIONS.append("configuration")
VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Collects what a page has, and whether every element is closed where it should be."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts, self.scripts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] == "script" else self.texts).append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self):
        return json.loads(next(script for script in self.scripts if script.startswith('{"figures"')))


def examined(question, each=2):
    return lambda: find_examples(question, load_catalogue(), torch.device("cpu"), each)


@pytest.fixture(scope="module")
def question(trained_grid):
    return Question.of(Rows.of(open_results(trained_grid)), "", "lifter=mlp,augmentor=none")


@pytest.fixture(scope="module")
def text(question):
    return html(make_page(question, examined(question)))


@pytest.fixture(scope="module")
def page(text):
    return Reader(text)


def test_it_is_whole(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == SECTIONS
    anchors = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert anchors == [f"#{name}" for name in SECTIONS]


def test_it_needs_nothing_from_elsewhere(page, text):
    asked = [value for _, found in page.elements for name, value in found.items() if name in ("src", "href", "data")]
    assert all(value.startswith("#") for value in asked)
    assert not [tag for tag, _ in page.elements if tag in ("link", "img", "iframe", "object")]
    policy = next(found["content"] for tag, found in page.elements if found.get("http-equiv"))
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert text.count("plotly.js v") == 1


def test_every_figure_is_one_to_plotly(page):
    from plotly.graph_objects import Figure

    for figure in page.data["figures"].values():
        layout = json.loads(json.dumps(figure["layout"]))
        for axis in ("xaxis", "yaxis"):
            layout.get(axis, {}).pop("wrap", None)
        # The style sheet's colours are looked up by the page.
        named = re.sub(r'"var\(--[\w-]+\)"', '"#123456"', json.dumps({"data": figure["data"], "layout": layout}))
        Figure(json.loads(named))
    drawn = [found["data-figure"] for _, found in page.elements if "data-figure" in found]
    assert sorted(drawn) == sorted(page.data["figures"])


def test_colours_are_those_of_the_style_sheet_in_both_themes(page, text):
    light, dark = text[: text.index("prefers-color-scheme")], text[text.index("prefers-color-scheme") :]
    for name in set(re.findall(r"var\((--[\w-]+)\)", json.dumps(page.data))):
        assert f"{name}:" in light
        assert f"{name}:" in dark


def test_numbers_are_those_of_the_data_set(page, question):
    results = question.rows.results
    for lifter in LIFTERS:
        for augmentor in AUGMENTORS:
            own = results["value"].sel(lifter=lifter, augmentor=augmentor, evaluation="own", metric="mpjpe_mm")
            assert f"{own.mean().item():.1f} ± {own.std(ddof=1).item():.1f}" in page.text
    assert "8 of 12 done 2 failed, 2 impossible;" in page.text
    assert "augmentor 'broken' <needs> a reference." in page.text
    figure = page.data["figures"]["results"]
    means = results["value"].sel(evaluation="own", metric="mpjpe_mm").mean("seed").values
    assert sorted(figure["data"][0]["x"], reverse=True) == pytest.approx(
        sorted(means[np.isfinite(means)], reverse=True), rel=1e-4
    )


def test_curves_are_means_of_the_histories(page, question):
    import xarray

    losses = []
    for folder in question.rows.results["folder"].sel(lifter="mlp", augmentor="none").values:
        with xarray.open_dataset(f"{folder}/history.nc") as history:
            losses.append(history["supervised"].values)
            steps = history["step"].values.tolist()
    curve = next(
        trace
        for trace in page.data["figures"]["loss-supervised"]["data"]
        if trace.get("name", "").startswith("mlp · none (2 seeds)")
    )
    assert curve["x"] == steps
    assert curve["y"] == pytest.approx(np.mean(losses, 0), rel=1e-4)


def test_cases_are_poses_that_the_models_see_so(page, question):
    examples = page.data["examples"]
    best, baseline = question.rows.name(question.ranked[0]), "mlp · none"
    assert examples["names"] == ["truth", best, baseline]
    assert len(examples["cases"]) == 2 * 2 * 2
    for case in examples["cases"]:
        truth, *poses = np.array(case["poses"])
        for pose, error in zip(poses, case["errors"], strict=True):
            assert np.linalg.norm(pose - truth, axis=-1).mean() * 1000 == pytest.approx(error, abs=1)
    errors = {
        rank: [c["errors"][0] for c in examples["cases"] if (c["evaluation"], c["rank"]) == ("own", rank)]
        for rank in ("worst", "best")
    }
    assert errors["worst"] == sorted(errors["worst"], reverse=True)
    assert errors["best"] == sorted(errors["best"])
    assert errors["best"][-1] < errors["worst"][-1]
    mean = question.spread.mean[question.ranked[0], 0]
    assert errors["best"][0] < mean < errors["worst"][0]


def test_without_models_the_page_says_so(question):
    moved = Rows.of(
        question.rows.results.assign(
            folder=(question.rows.results["folder"].dims, np.full(question.rows.results["folder"].shape, "/nowhere"))
        )
    )
    again = Question.of(moved)
    with pytest.raises(PoseplugError, match="trained model is not there any more"):
        examined(again)()
    page = Reader(html(make_page(again, examined(again))))
    assert "Left out: The folder with the best row's trained model is not there any more." in page.text
    assert "there are no curves" in page.text
    assert page.data["examples"] is None


def test_no_label_can_break_the_page():
    nasty = ['</script><b>"x"</b>', "a<b & 'c'"]
    results = made_up(
        {"run": nasty, "lr": [1e-4, 1e-3, 1e-2]}, [0, 1], lambda shape: np.random.default_rng(0).random(shape)
    )
    results.attrs["name"] = "<i>name</i>"
    page = Reader(html(make_page(Question.of(Rows.of(results)))))
    assert page.open == []
    assert not [tag for tag, _ in page.elements if tag in ("b", "i")]
    assert nasty[0] in page.text
    assert "along-lr" in page.data["figures"]
    assert "Left out, as was asked for." in page.text
