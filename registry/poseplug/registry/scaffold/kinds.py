"""What there is to write, one example for each interface."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from poseplug.registry.discovery.catalogue import HOOKS


@attrs.frozen
class Kind:
    """The example of one interface.

    Attributes:
        noun: what messages and the README call it.
        usage: how ``poseplug run`` is told to use it; NAME stands for its name.
        summary: what the example does, for listings.
        paper: where it comes from, for listings.
    """

    noun: str
    usage: str
    summary: str
    paper: str


KINDS: Mapping[str, Kind] = {
    "source": Kind(
        "source",
        "--source NAME",
        "stick figures that stand about, seen from anywhere",
        "none: an example to put your own poses in the place of",
    ),
    "augmentor": Kind(
        "augmentor",
        "--augment NAME",
        "mirrors poses left to right",
        "none: mirror images are common practice",
    ),
    "reweighter": Kind(
        "reweighter",
        "--reweight NAME",
        "importance weights by the size of people in the image",
        "Shimodaira, Improving predictive inference under covariate shift, 2000",
    ),
    "lifter": Kind(
        "lifter",
        "--lifter NAME",
        "a small residual network",
        "after Martinez et al., A simple yet effective baseline, ICCV 2017",
    ),
    "discriminator": Kind(
        "discriminator",
        "--discriminate NAME --objective NAME",
        "judges 2D poses about their root",
        "losses of Mao et al., Least squares GANs, ICCV 2017, eq. 9",
    ),
    "root": Kind(
        "root estimator",
        "--root NAME",
        "depth from the size of people in the image",
        "after Moon et al., Camera distance-aware top-down approach, ICCV 2019",
    ),
    "objective": Kind(
        "objective",
        "--objective NAME",
        "a robust error that counts hands and feet most",
        "Girshick, Fast R-CNN, ICCV 2015, eq. 3 (smooth L1)",
    ),
    "hook": Kind(
        "hook",
        "--hook NAME",
        "notes the lowest value of each loss",
        "none: a note-taker",
    ),
}
assert KINDS.keys() == HOOKS.keys()
