"""The conformance kit: does a component keep the promises of its interface?

``check_component`` gives a verdict for each promise; ``conformance_tests`` makes a pytest test of them for a plugin's
own test suite; ``poseplug check`` prints them.

Two things a component may tell the kit, both optional: a classmethod ``example_settings(folder)`` that writes a tiny
sample of data into the folder and returns settings that name it, where settings without a default would leave it
unchecked, or for a network of images or scenes settings that make it small; and, on a source whose 2D joints were
measured and not projected, the attribute ``measured_2d = True``.
"""

from poseplug.registry.conformance.check import PROMISES, check_component, check_entry, conformance_tests, promises_of
from poseplug.registry.conformance.verdict import Promise, Verdict

__all__ = ["PROMISES", "Promise", "Verdict", "check_component", "check_entry", "conformance_tests", "promises_of"]
