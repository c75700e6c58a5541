"""Images, and the poses in them."""

import pytest
from annotating import draw, figures


@pytest.fixture(scope="session")
def known(walking):
    """Poses [3, 17, 3] and where they are in the images [3, 17, 2]."""
    return figures(walking, 3)


@pytest.fixture(scope="session")
def images(known, tmp_path_factory):
    """A folder of three images, one person in each."""
    return draw(tmp_path_factory.mktemp("figures") / "images", known[1])
