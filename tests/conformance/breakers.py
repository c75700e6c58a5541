"""Components that are wrong in one thing: each breaks the one promise that it stands under, and no other."""

from conformance import (
    broken_gradients,
    broken_kinds,
    broken_programs,
    broken_repetition,
    broken_results,
    broken_settings,
    detectors,
)

# Promise -> (kind, component that breaks it).
BREAKERS = {
    **broken_settings.BREAKERS,
    **broken_results.BREAKERS,
    **broken_repetition.BREAKERS,
    **broken_gradients.BREAKERS,
    **broken_kinds.BREAKERS,
    **broken_programs.BREAKERS,
    **detectors.BREAKERS,
}
