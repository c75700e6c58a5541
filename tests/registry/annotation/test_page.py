"""The page in a real browser: marks by click, drag and key; poses that follow; hands that turn bones; what is kept."""

import json
import time

import numpy as np
import pytest
import torch
from annotating import ask, message, person, serving
from browsers import open_browser

from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.geometry.layouts import H36M_17

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Where in the window a place of the image is.
PLACE = """
const at = new DOMPoint(...arguments).matrixTransform(document.getElementById('image').getScreenCTM());
return [at.x, at.y];
"""
CENTRE = """
const box = document.querySelector(arguments[0]).getBoundingClientRect();
return [box.x + box.width / 2, box.y + box.height / 2];
"""


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    driver.set_window_size(1280, 940)
    yield driver
    driver.quit()


class Page:
    def __init__(self, browser, server):
        self.browser, self.server = browser, server
        browser.get(server.address)
        self.until(lambda: browser.execute_script("return document.body.dataset.ready"))

    def until(self, true, seconds=20):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.browser.get_log("browser")
            time.sleep(0.03)

    def kept(self, number=0):
        """Return what is on the disk once everything is saved."""
        self.until(lambda: self.text("saved") == "saved" and "fitting" not in self.text("figures"))
        folder = self.server.session.out.with_suffix(".annotations") / "images"
        return json.loads((folder / f"figure-{number}.png.json").read_text())

    def text(self, name):
        return self.browser.find_element("id", name).text

    def click(self, name):
        self.browser.find_element("id", name).click()

    def place(self, joint):
        return self.browser.execute_script(PLACE, *map(float, joint))

    def centre(self, selector):
        return self.browser.execute_script(CENTRE, selector)

    def point(self, start, *further):
        """Click at a place of the window, or drag from there."""
        from selenium.webdriver.common.action_chains import ActionChains

        actions = ActionChains(self.browser, duration=0)
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(*map(round, start))
        pointer.pointer_down()
        for x, y in further:
            pointer.move_to_location(round(x), round(y))
        pointer.pointer_up()
        actions.perform()

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    def hold(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        actions = ActionChains(self.browser, duration=0)
        for key in keys:
            actions.key_down(key)
        for key in reversed(keys):
            actions.key_up(key)
        actions.perform()

    def complaints(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def page(browser, images, tmp_path):
    browser.get("data:,")
    with serving(images, tmp_path / "out.safetensors") as server:
        opened = Page(browser, server)
        yield opened
        assert not opened.complaints()
        browser.get("data:,")


def test_from_clicks_to_a_posefile(page, known):
    from selenium.webdriver.common.keys import Keys

    poses, pixels = known
    page.press("n")
    asked = []
    while "Click where" in page.text("hint"):
        asked.append(page.browser.execute_script("return document.querySelector('#hint b').textContent"))
        if asked[-1] == "LWrist":
            page.press("m")
        else:
            page.point(page.place(pixels[0, H36M_17.index(asked[-1])]))
        assert len(asked) <= 17
    # In the order in which U3DPW was annotated; the hips last.
    assert asked[:6] == ["RFoot", "RKnee", "RHip", "LHip", "LKnee", "LFoot"]
    assert sorted(asked) == sorted(H36M_17.joints)
    page.until(lambda: "px from the marks" in page.text("figures"))
    somebody = page.kept()["people"][0]
    wrist, knee = H36M_17.index("LWrist"), H36M_17.index("LKnee")
    assert somebody["seen"] == [0 if joint == wrist else 2 for joint in range(17)]
    marked = [joint for joint in range(17) if joint != wrist]
    off = (torch.tensor(somebody["joints"]) - pixels[0])[marked].abs().max()
    assert off < 1.5  # half a pixel of the window, and its size in the image
    pose = torch.tensor(somebody["pose"])
    assert ((pose - pose[0]) - (poses[0] - poses[0, 0])).norm(dim=-1).mean() < 0.2

    # A joint is dragged, and the pose follows; undone, both are as before; done again.
    start = page.place(somebody["joints"][knee])
    page.point(start, (start[0] + 9, start[1] - 4), (start[0] + 18, start[1] - 8))
    page.until(lambda: page.kept()["people"][0]["pose"] != somebody["pose"])
    dragged = page.kept()["people"][0]
    moved = np.subtract(page.place(dragged["joints"][knee]), start)
    assert moved == pytest.approx([18, -8], abs=1)
    assert dragged["pose"] != somebody["pose"]
    page.hold(Keys.CONTROL, "z")
    assert page.kept()["people"][0] == somebody
    page.hold(Keys.CONTROL, Keys.SHIFT, "z")
    assert page.kept()["people"][0]["joints"] == dragged["joints"]
    # Keys move it by a pixel of the image, and say that it is hidden.
    page.press(Keys.ARROW_LEFT, "h")
    nudged = page.kept()["people"][0]
    assert nudged["joints"][knee] == pytest.approx([dragged["joints"][knee][0] - 1, dragged["joints"][knee][1]])
    assert nudged["seen"][knee] == 1
    page.press("d")
    page.click("write")
    page.until(lambda: "(2D and 3D) written to" in page.text("message"))
    stored = PoseFile(page.server.session.out).rows(np.arange(1))
    kept = page.kept()
    assert kept["done"]
    torch.testing.assert_close(stored.poses.joints_3d[0], torch.tensor(kept["people"][0]["pose"]))
    assert stored.confidence[0, [wrist, knee, 0]].tolist() == [0, 0.5, 1]


def started(page, known, number=0):
    """Put somebody with a pose into an image, as an earlier sitting would have."""
    poses, pixels = known
    pose = [[round(value, 5) for value in row] for row in poses[number].tolist()]
    told = message([person(pixels[number], pose=pose)])
    assert ask(page.server.address, f"states/{number}", told)[0] == 200
    page.browser.refresh()
    page.until(lambda: page.browser.execute_script("return document.body.dataset.ready"))
    return np.array(pose)


def test_a_bone_is_turned_and_what_hangs_on_it_follows(page, known):
    from selenium.webdriver.common.keys import Keys

    pose = started(page, known)
    shoulder, elbow, wrist = (H36M_17.index(name) for name in ("LShoulder", "LElbow", "LWrist"))
    again = f"#image [data-joint='{elbow}']"
    at = page.centre(f"#pose [data-joint='{elbow}']")
    before = page.browser.execute_script(
        "return [...document.querySelectorAll('#image .again')].map((l) => l.outerHTML)"
    )
    page.point(at, (at[0] + 10, at[1]), (at[0] + 25, at[1] - 10))
    # Where it is seen changes as it is turned; where it was marked does not.
    after = page.browser.execute_script(
        "return [...document.querySelectorAll('#image .again')].map((l) => l.outerHTML)"
    )
    assert sum(a != b for a, b in zip(after, before, strict=True)) == 2
    assert page.browser.execute_script(CENTRE, again) == pytest.approx(page.place(known[1][0, elbow]), abs=1)
    somebody = page.kept()["people"][0]
    turned = np.array(somebody["pose"])
    assert somebody["by_hand"]
    assert [joint for joint in range(17) if np.abs(turned[joint] - pose[joint]).max() > 1e-4] == [elbow, wrist]
    for start, end in ((shoulder, elbow), (elbow, wrist)):
        lengths = [np.linalg.norm(p[end] - p[start]) for p in (pose, turned)]
        assert lengths[0] == pytest.approx(lengths[1], abs=1e-4)
    assert turned[elbow][0] > pose[elbow][0]
    assert turned[elbow][1] < pose[elbow][1]
    # By keys: three degrees about the shoulder.
    page.press(Keys.ARROW_RIGHT)
    by_key = np.array(page.kept()["people"][0]["pose"])
    arms = [p[wrist] - p[shoulder] for p in (turned, by_key)]
    assert np.linalg.norm(by_key[elbow] - turned[elbow]) == pytest.approx(
        across(turned[elbow] - turned[shoulder]), abs=1e-3
    )
    assert np.linalg.norm(arms[0]) == pytest.approx(np.linalg.norm(arms[1]), abs=1e-4)


def across(bone):
    """Return how far the end of a bone moves that is turned by three degrees about the vertical axis of the view."""
    up = np.array([0, np.cos(0.12), -np.sin(0.12)])  # the view looks down a little
    return 2 * np.sin(np.radians(1.5)) * np.linalg.norm(bone - up * (bone @ up))


def test_a_flipped_bone_looks_the_same(page, known):
    pose = started(page, known)
    joint = H36M_17.index("RKnee")
    page.browser.find_element("css selector", "#joints [data-name=RKnee]").click()
    page.press("b")
    flipped = np.array(page.kept()["people"][0]["pose"])
    hip = pose[H36M_17.index("RHip")]
    assert np.linalg.norm(flipped[joint] - hip) == pytest.approx(np.linalg.norm(pose[joint] - hip), abs=1e-4)
    assert flipped[joint][:2] / flipped[joint][2] == pytest.approx(pose[joint][:2] / pose[joint][2], abs=1e-4)
    page.press("b")
    assert np.array(page.kept()["people"][0]["pose"]) == pytest.approx(pose, abs=1e-4)


def test_zooming_and_panning_leave_joints_where_they_are(page, known):
    started(page, known)
    view = "return document.getElementById('image').viewBox.baseVal.width"
    whole = page.browser.execute_script(view)
    for count, name, expected in ((20, "larger", whole / 60), (27, "smaller", whole * 4), (1, "whole", whole)):
        for _ in range(count):
            page.click(name)
        assert page.browser.execute_script(view) == pytest.approx(expected)
    joint = H36M_17.index("RFoot")
    place = f"#image [data-joint='{joint}']"
    page.click("larger")
    corner = page.place((150, 90))
    start = page.centre(place)
    page.point(corner, (corner[0] + 30, corner[1] + 20), (corner[0] + 60, corner[1] + 40))
    assert np.subtract(page.centre(place), start) == pytest.approx([60, 40], abs=1)
    assert page.centre(place) == pytest.approx(page.place(known[1][0, joint]), abs=1)
    assert page.kept()["version"] == 1


def test_people_come_and_go(page, known):
    from selenium.webdriver.common.keys import Keys

    started(page, known)
    page.click("new")
    page.point(page.place(known[1][1, 3]))
    assert [sum(map(bool, somebody["seen"])) for somebody in page.kept()["people"]] == [17, 1]
    assert page.browser.find_element("css selector", "#persons [aria-pressed=true]").text == "2"
    # Too few joints are told when it is asked for, and only then.
    assert not page.text("message")
    page.click("lift")
    page.until(lambda: "at least half of its joints" in page.text("message"))
    page.press("p")
    page.click("remove")
    assert [sum(map(bool, somebody["seen"])) for somebody in page.kept()["people"]] == [1]
    page.hold(Keys.CONTROL, "z")
    assert [sum(map(bool, somebody["seen"])) for somebody in page.kept()["people"]] == [17, 1]
    # Another focal length is kept, and who has a pose is fitted again: as far away as it is longer.
    before = page.kept()["people"][0]["pose"]
    focal = page.browser.find_element("id", "focal")
    focal.send_keys(Keys.CONTROL + "a" + Keys.NULL, "1e9", Keys.TAB)  # which is none
    assert focal.get_attribute("value") == "700"
    focal.send_keys(Keys.CONTROL + "a" + Keys.NULL, "1400", Keys.TAB)
    page.until(lambda: page.kept()["people"][0]["pose"] != before)
    after = page.kept()
    assert after["focal"] == 1400
    assert after["people"][0]["pose"][0][2] / before[0][2] == pytest.approx(2, rel=0.15)


def test_a_closed_tab_loses_nothing(page, known):
    started(page, known)
    joint = H36M_17.index("RFoot")
    start = page.place(known[1][0, joint])
    page.point(start, (start[0] + 12, start[1]))
    # At once, before the change is sent by itself.
    page.browser.get("data:,")
    page.until(lambda: page.server.session.state(0).people[0].joints[joint][0] - float(known[1][0, joint, 0]) > 5)
    page.browser.get(page.server.address)
    page.until(lambda: page.browser.execute_script("return document.body.dataset.ready"))
    found = page.kept()["people"][0]["joints"][joint]
    assert page.centre(f"#image [data-joint='{joint}']") == pytest.approx(page.place(found), abs=1)


def test_a_second_tab_is_told(page, known):
    started(page, known)
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    try:
        page.browser.get(page.server.address)
        page.until(lambda: "open in another tab as well" in page.text("message"))
        page.press("d")
        assert page.kept()["done"]
    finally:
        page.browser.close()
        page.browser.switch_to.window(first)
    page.press("n")
    page.until(lambda: "was changed in another tab" in page.text("message"))
    # That the server refused is what is tested, and the browser notes it.
    assert all("409" in entry["message"] for entry in page.complaints())
    assert page.browser.find_element("id", "done").is_selected()
    assert len(page.kept()["people"]) == 1


@pytest.mark.parametrize("width", [1280, 500])
def test_it_fits_the_window(page, known, width):
    started(page, known)
    page.browser.set_window_size(width, 940)
    try:
        assert page.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        page.browser.find_element("css selector", "#images li:nth-child(2) button").click()
        assert page.text("name") == "figure-1.png"
        assert page.text("hint") == "Nobody is marked yet: New person (N)."
    finally:
        page.browser.set_window_size(1280, 940)
