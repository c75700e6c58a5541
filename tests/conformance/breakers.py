"""Components that are wrong in one thing: each breaks the one promise that it stands under, and no other."""

from conformance import (
    broken_gradients,
    broken_kinds,
    broken_programs,
    broken_repetition,
    broken_results,
    broken_settings,
    detectors,
    of_scenes,
)

_LISTS = (
    *(broken_settings, broken_results, broken_repetition, broken_gradients, broken_kinds, broken_programs),
    *(detectors, of_scenes),
)
# Promise -> (kind, component that breaks it).
BREAKERS = {name: [] for module in _LISTS for name in module.BREAKERS}
for module in _LISTS:
    for name, listed in module.BREAKERS.items():
        BREAKERS[name] += listed
