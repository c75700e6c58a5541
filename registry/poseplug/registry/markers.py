"""What a plugin imports: the hook marker, and the version of the plugin API it is written for."""

import pluggy

PROJECT = "poseplug"
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
