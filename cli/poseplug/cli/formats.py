"""The output formats of listing commands."""

import enum


class Format(enum.StrEnum):
    """A table to read, or JSON to compute with."""

    table = "table"
    json = "json"
