"""Everything that is installed keeps the promises of its interface."""

import pytest
import torch

from poseplug.core.kinds import kind_names
from poseplug.registry.conformance import check_entry
from poseplug.registry.discovery.catalogue import load_catalogue

ENTRIES = [entry for kind in kind_names() for entry in load_catalogue().of(kind)]
IDS = [f"{entry.kind}-{entry.name}" for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_it_keeps_its_promises(entry):
    verdicts = check_entry(entry)
    assert [(v.promise, v.reason) for v in verdicts if v.state == "failed"] == []
    # What needs data brings a sample along (example_settings), so that nothing goes unchecked.
    assert "works" in {v.promise for v in verdicts if v.state == "ok"}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_it_keeps_its_promises_on_cuda(entry):
    assert [(v.promise, v.reason) for v in check_entry(entry, device="cuda") if v.state == "failed"] == []
