"""The scaffold: writes a small, complete plugin package to start from."""

from poseplug.registry.scaffold.kinds import KINDS, Kind
from poseplug.registry.scaffold.names import Names, choose_names
from poseplug.registry.scaffold.writer import render_plugin, write_plugin

__all__ = ["KINDS", "Kind", "Names", "choose_names", "render_plugin", "write_plugin"]
