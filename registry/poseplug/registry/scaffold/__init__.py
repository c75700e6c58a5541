"""The scaffold: writes a small, complete plugin package to start from."""

from poseplug.registry.scaffold.plugin import Example, Names, choose_names, example_of, render_plugin, write_plugin

__all__ = ["Example", "Names", "choose_names", "example_of", "render_plugin", "write_plugin"]
