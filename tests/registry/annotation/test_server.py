"""The page's server without a browser: who may ask, for what, and what is kept."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
import torch
from annotating import FOCAL, ask, message, person, serving

from poseplug.core.errors import PoseplugError


@pytest.fixture
def server(images, tmp_path):
    with serving(images, tmp_path / "out.safetensors") as served:
        yield served


def kept(server, name):
    return json.loads((server.session.out.with_suffix(".annotations") / "images" / f"{name}.json").read_text())


def test_the_page_and_what_it_needs(server):
    status, page = ask(server.address, "")
    assert (status, page[:15]) == (200, b"<!doctype html>")
    for name in ("annotate.css", "annotate.js", "image_view.js", "pose_view.js"):
        assert ask(server.address, f"web/{name}")[0] == 200
    status, about = ask(server.address, "about")
    assert [image["name"] for image in about["images"]] == [f"figure-{n}.png" for n in range(3)]
    assert about["images"][0]["size"] == [640, 480]
    assert about["skeleton"]["joints"][:2] == ["Hip", "RHip"]
    status, image = ask(server.address, "images/1")
    assert (status, image) == (200, (server.session.images[1].path).read_bytes())


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "poseplug.example"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://poseplug.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:80"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_strangers_pages_are_refused(server, headers):
    for path, body in (("about", None), ("images/0", None), ("states/0", message([])), ("save", {})):
        status, told = ask(server.address, path, body, headers)
        assert status == 403, path
        assert "error" in told
    assert server.session.state(0).version == 0


def test_its_own_page_is_not(server):
    port = server.server_port
    for name in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}", "Sec-Fetch-Site": "same-origin"}
        assert ask(server.address, "about", headers=headers)[0] == 200


def test_a_link_elsewhere_may_lead_to_the_page(server):
    """Such as in a terminal that is a page itself; but it leads to nothing else."""
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(server.address, "", headers=linked)[0] == 200
    assert ask(server.address, "", headers={"Host": "poseplug.example"})[0] == 403
    assert ask(server.address, "", {}, linked)[0] == 403


def test_nothing_of_the_page_comes_from_or_goes_elsewhere(server):
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    for path in ("", "about", "images/0", "web/annotate.js", "nothing"):
        connection.request("GET", f"/{server.token}/{path}")
        answer = connection.getresponse()
        answer.read()
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
    connection.close()


def test_without_the_token_there_is_nothing(server):
    base = f"http://127.0.0.1:{server.server_port}"
    for token in ("", "x" * len(server.token), server.token[:-1], server.token + "x", "%C3%A9"):
        assert ask(f"{base}/{token}/", "about")[0] == 403
    assert len(server.token) >= 32


@pytest.mark.parametrize(
    "path",
    [
        *(
            "images/../../about",
            "images/-1",
            "images/3",
            "images/1e0",
            "images/%2e%2e%2fabout.json",
            "images/",
            "images",
        ),
        *("images/٣", "images/0/0", "images/figure-0.png", "images/999999999999999999999"),
        *("web/../server.py", "web/%2e%2e/server.py", "web//etc/passwd", "web/", "web", "../about", "states/0/x", "x"),
    ],
)
def test_nothing_else_is_served(server, path):
    """Paths are sent as they are, without a client that cleans them."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        host = f"Host: 127.0.0.1:{server.server_port}\r\nConnection: close\r\n\r\n"
        connection.sendall(f"GET /{server.token}/{path} HTTP/1.1\r\n{host}".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b" " * ((1 << 20) + 1), {}, 413),
        (b"", {"Content-Length": "99999999999999999999"}, 413),
        (b"", {"Content-Length": "-1"}, 411),
        (b"", {"Content-Length": "many"}, 411),
        (b"{}", {}, 400),
    ],
    ids=["half", "list", "bytes", "deep", "large", "endless", "negative", "words", "empty"],
)
def test_messages_that_are_none(server, body, headers, status):
    try:
        found, told = ask(server.address, "states/0", body, headers)
        assert (found, "error" in told) == (status, True)
    except ConnectionError:  # what is too large is not read to its end
        assert status == 413
    assert ask(server.address, "about")[0] == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"people": None},
        {"people": [{}]},
        {"people": [{}] * 201},
        {"focal": 0},
        {"focal": "1"},
        {"focal": True},
        {"focal": 1e7},
        {"focal": 10**400},
        {"version": None},
        {"writer": None, "sequence": None},
    ],
    ids=str,
)
def test_messages_that_say_something_else(server, changed):
    status, told = ask(server.address, "states/0", message([]) | changed)
    assert status == 400
    assert told["error"].startswith("This is no message that can be understood")
    assert server.session.state(0).version == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"joints": [[0, 0]]},
        {"joints": [[0]] * 17},
        {"joints": [["a", "b"]] * 17},
        {"joints": [[float("nan"), 0]] * 17},
        {"seen": [3] * 17},
        {"seen": [2] * 16},
        {"pose": [[0, 0]] * 17},
        {"pose": 5},
    ],
    ids=str,
)
def test_people_who_are_none(server, known, wrong):
    somebody = person(known[1][0]) | wrong
    assert ask(server.address, "states/0", message([somebody]))[0] == 400
    assert ask(server.address, "fit/0", {"person": somebody, "focal": 700, "anew": True})[0] == 400


def test_a_change_is_on_the_disk_when_it_is_answered(server, known):
    somebody = person(known[1][0], seen=[1] * 17)
    assert ask(server.address, "states/0", message([somebody], done=True, focal=800.5)) == (200, {"version": 1})
    found = kept(server, "figure-0.png")
    assert found["people"] == [somebody]
    assert (found["done"], found["focal"], found["version"], found["size"]) == (True, 800.5, 1, [640, 480])


def test_two_tabs_do_not_overwrite_each_other(server, known):
    one, other = person(known[1][0]), person(known[1][1])
    assert ask(server.address, "states/0", message([one], writer="one"))[0] == 200
    status, told = ask(server.address, "states/0", message([other], writer="other"))
    assert status == 409
    assert told["state"]["people"] == [one]
    assert kept(server, "figure-0.png")["people"] == [one]
    # Once it knows of the change, it may.
    assert ask(server.address, "states/0", message([other], version=1, writer="other"))[0] == 200
    assert ask(server.address, "states/0", message([one], sequence=2, writer="one"))[0] == 409


def test_messages_of_one_tab_may_overtake_each_other(server, known):
    """The last one, sent as the page closes, comes before one that was sent earlier; neither knows the version."""
    one, other = person(known[1][0]), person(known[1][1])
    assert ask(server.address, "states/0", message([other], sequence=3)) == (200, {"version": 1})
    assert ask(server.address, "states/0", message([one], sequence=2)) == (200, {"version": 1})
    assert kept(server, "figure-0.png")["people"] == [other]


def test_many_messages_at_once(server, known):
    """Whatever order they come in: the last that was sent is kept, and every change has a version of its own."""
    people = [person(known[1][0] + number) for number in range(1, 41)]

    def send(number):
        return ask(server.address, "states/0", message([people[number - 1]], sequence=number))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(1, 41)))
    assert {status for status, _ in answers} == {200}
    state = server.session.state(0)
    assert kept(server, "figure-0.png")["people"] == [people[-1]]
    assert state.version == max(told["version"] for _, told in answers) <= 40


def test_a_person_is_lifted_and_fitted(server, known):
    poses, pixels = known
    asked = {"person": person(pixels[0]), "focal": FOCAL, "anew": False}
    status, told = ask(server.address, "fit/0", asked)
    assert status == 200
    assert told["error_px"] < 3
    pose = torch.tensor(told["pose"])
    error = ((pose - pose[:1]) - (poses[0] - poses[0, :1])).norm(dim=-1).mean()
    assert error < 0.15
    # By a hand's pose it goes on from there: what is seen is the same, and the pose hardly moves.
    bent = pose.clone()
    bent[13, 2] += 0.05
    by_hand = person(pixels[0], pose=bent.tolist(), by_hand=True)
    again = torch.tensor(ask(server.address, "fit/0", asked | {"person": by_hand})[1]["pose"])
    assert (again - bent).norm(dim=-1).max() < 0.05
    anew = ask(server.address, "fit/0", asked | {"person": by_hand, "anew": True})[1]["pose"]
    torch.testing.assert_close(torch.tensor(anew), pose)


def test_too_few_joints_are_told(server, known):
    few = person(known[1][0], seen=[2] * 4 + [0] * 13)
    status, told = ask(server.address, "fit/0", {"person": few, "focal": FOCAL, "anew": True})
    assert status == 200
    assert told["reason"].startswith("The lifter needs at least half of its joints")
    point = person(torch.full((17, 2), 100.0))
    status, told = ask(server.address, "fit/0", {"person": point, "focal": FOCAL, "anew": True})
    assert status == 200
    assert "reason" in told or torch.isfinite(torch.tensor(told["pose"])).all()


def test_a_port_that_is_taken(images, tmp_path, server):
    with (
        pytest.raises(PoseplugError, match=f"Cannot use port {server.server_port}"),
        serving(images, tmp_path / "other.safetensors", server.server_port),
    ):
        pass


def test_only_this_machine_is_listened_to(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
