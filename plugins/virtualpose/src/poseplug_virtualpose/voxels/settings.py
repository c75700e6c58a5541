"""What settings of volumes are checked for."""

from __future__ import annotations


def three_lengths(value: tuple[float, ...]) -> str | None:
    """Say what is wrong with the size of a box."""
    if len(value) == 3 and min(value) > 0:
        return None
    return f"must be three lengths above 0, got {list(value)}"


def place(value: tuple[float, ...]) -> str | None:
    """Say what is wrong with a place in the world."""
    return None if len(value) == 3 else f"must be three numbers, got {list(value)}"


def sides_of_networks(value: tuple[int, ...]) -> str | None:
    """Say what is wrong with the nodes along a volume's sides, which the network halves twice."""
    if len(value) == 3 and all(side >= 4 and side % 4 == 0 for side in value):
        return None
    return f"must be three multiples of 4, got {list(value)}"


def side_of_networks(value: int) -> str | None:
    """Say what is wrong with the nodes along each side of a cube."""
    return None if value >= 4 and value % 4 == 0 else f"must be a multiple of 4, got {value}"


def odd(value: int) -> str | None:
    """Say what is wrong with the size of a convolution that keeps the shape of what it sees."""
    return None if value > 0 and value % 2 else f"must be odd, got {value}"
