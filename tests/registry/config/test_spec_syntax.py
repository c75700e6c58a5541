import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.config.spec_syntax import parse_labelled, parse_spec


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("mlp", "mlp", {}),
        ("mlp:channels=64", "mlp", {"channels": "64"}),
        ("dist:mlp", "dist:mlp", {}),
        ("dist:mlp:channels=64,blocks=1", "dist:mlp", {"channels": "64", "blocks": "1"}),
        ("bvh:path=C:/mocap,cameras=random", "bvh", {"path": "C:/mocap", "cameras": "random"}),
        ("bvh:elevation=[-.1, .7],path='a,b'", "bvh", {"elevation": "[-.1, .7]", "path": "a,b"}),
        ("pose2d:extra_2d='bvh:path=x,stride=3'", "pose2d", {"extra_2d": "bvh:path=x,stride=3"}),
    ],
)
def test_specifications(text, name, settings):
    assert parse_spec(text) == {"name": name, **settings}


@pytest.mark.parametrize("text", ["", "=3", ":a=1", "mlp:channels=1,blocks", "mlp:a=[1", "mlp:a='x", "mlp:name=x"])
def test_malformed_specifications_are_refused(text):
    with pytest.raises(PoseplugError, match="is not a|unclosed"):
        parse_spec(text)


def test_labels():
    assert parse_labelled("bvh:path=x") == ("bvh", {"name": "bvh", "path": "x"})
    assert parse_labelled("wild=bvh:path=x") == ("wild", {"name": "bvh", "path": "x"})
    assert parse_labelled("plain=builtin") == ("plain", {"name": "builtin"})
