"""Component specifications as the user types them: NAME[:key=value,...], with an optional LABEL= before it."""

from __future__ import annotations

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
        value = value.strip()
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES
        table[key.strip()] = value[1:-1] if quoted else value
    return table


def parse_labelled(text: str) -> tuple[str, dict[str, str]]:
    """Return the label and the component of ``[LABEL=]NAME[:key=value,...]``; without a label, its name."""
    before, equals, after = text.partition("=")
    if equals and ":" not in before:
        return before.strip(), parse_spec(after)
    table = parse_spec(text)
    return table["name"], table


def _split(text: str, whole: str) -> Iterator[str]:
    """Split at commas outside brackets and quotes."""
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
        elif character == "," and not depth:
            yield text[start:i]
            start = i + 1
    if depth or quote:
        raise PoseplugError(f"'{whole}' has an unclosed bracket or quote.")
    if text[start:].strip():
        yield text[start:]
