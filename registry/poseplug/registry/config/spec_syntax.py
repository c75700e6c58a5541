"""Component specifications as the user types them: NAME[:key=value,...], with an optional LABEL= before it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poseplug.core.errors import PoseplugError

_OPENING, _CLOSING, _QUOTES = "[({", "])}", "'\""


def parse_spec(text: str) -> dict[str, str]:
    """Return the table of the component that ``NAME[:key=value,...]`` or ``dist:NAME[:key=value,...]`` means.

    It holds its name and its settings, whose values stay text; one may hold commas inside brackets or quotes.

    Raises:
        PoseplugError: no name, a setting without "=", or an unclosed bracket.
    """
    head, equals, _ = text.partition("=")
    name = head.rpartition(":")[0] if equals else text
    if not name.strip():
        raise PoseplugError(f"'{text}' is not a component; expected NAME or NAME:key=value,key=value.")
    table = {"name": name.strip()}
    for part in _split(text[len(name) + 1 :], text):
        key, equals, value = part.partition("=")
        if not equals or key.strip() in ("", "name"):
            raise PoseplugError(f"'{part}' in '{text}' is not a setting; expected key=value.")
        table[key.strip()] = _unquoted(value.strip())
    return table


def parse_labelled(text: str) -> tuple[str, dict[str, str]]:
    """Return the label and the component of ``[LABEL=]NAME[:key=value,...]``; without a label, its name."""
    before, equals, after = text.partition("=")
    if equals and ":" not in before:
        return before.strip(), parse_spec(after)
    table = parse_spec(text)
    return table["name"], table


def parse_chain(text: str) -> list[dict[str, str]]:
    """Return the tables of the components of ``NAME[:key=value,...]+NAME...``, in order; "none" is an empty chain.

    A plus sign in a value joins nothing if it stands inside brackets or quotes, or before anything but a letter.
    """
    links = re.sub(r"\+(?=[^A-Za-z])", "\0", text)
    return [parse_spec(link.replace("\0", "+")) for link in _split(links, text, "+") if link.strip() != "none"]


def split_values(text: str) -> list[str]:
    """Return the values of ``1e-3,3e-4`` or ``[0,1],[0,2]``: a list may stand inside brackets or quotes.

    Raises:
        PoseplugError: an unclosed bracket or quote.
    """
    return [_unquoted(value.strip()) for value in _split(text, text)]


def _split(text: str, whole: str, separator: str = ",") -> Iterator[str]:
    """Split at a separator outside brackets and quotes."""
    start, depth, quote = 0, 0, ""
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == separator and not depth:
            yield text[start:i]
            start = i + 1
    if depth or quote:
        raise PoseplugError(f"'{whole}' has an unclosed bracket or quote.")
    if text[start:].strip():
        yield text[start:]


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES
    return value[1:-1] if quoted else value
