import pytest

from poseplug.core.training import stacked_modules


@pytest.fixture(params=["together", "in turn"])
def manner(request, monkeypatch):
    """Both ways to compute a stack, whatever its size."""
    monkeypatch.setattr(stacked_modules, "_SMALL", float("inf") if request.param == "together" else -1)
    return request.param
