"""poseplug.registry: hook specifications, plugin discovery, the catalogue, and building runs from names."""

from poseplug.registry.markers import API_VERSION, hookimpl

__all__ = ["API_VERSION", "hookimpl"]
