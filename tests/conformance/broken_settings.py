"""Components whose description or settings are wrong in one thing."""

import attrs
from conformance.keepers import Counter, CounterConfig, TwoPartLifter, WidthConfig

from poseplug.core.settings import setting

WIDTH = "width of the hidden layer"


class Undocumented(TwoPartLifter):
    __doc__ = None


class WrongDefault(TwoPartLifter):
    """Cannot be configured by default."""

    @attrs.frozen(kw_only=True)
    class Config:
        """A default that is not allowed."""

        width: int = setting(0, WIDTH, minimum=1)


class Unexplained(TwoPartLifter):
    """Has a setting without explanation."""

    @attrs.frozen(kw_only=True)
    class Config:
        """A setting without explanation."""

        width: int = setting(16, "", minimum=1)


class Changeable(TwoPartLifter):
    """Has settings that can change."""

    @attrs.define(kw_only=True, hash=True)
    class Config:
        """Settings that can change under a run."""

        width: int = setting(16, WIDTH, minimum=1)


@attrs.frozen(kw_only=True)
class ListConfig:
    """A setting that cannot be typed."""

    width: list[int] = setting([16], WIDTH)  # noqa: RUF009


class Listed(TwoPartLifter):
    """Has a setting of a type that the command line does not know."""

    Config = ListConfig

    def __init__(self, config, context):
        super().__init__(WidthConfig(width=config.width[0]), context)


def _hidden():
    class Hidden(TwoPartLifter):
        """Cannot be found by name in another process."""

    return Hidden


class Unbounded(TwoPartLifter):
    """Takes a negative width, and fails with it."""

    @attrs.frozen(kw_only=True)
    class Config:
        """A width without a lower bound."""

        width: int = setting(16, WIDTH)


@attrs.frozen(kw_only=True)
class AnyRateConfig:
    """A number that may be NaN."""

    width: int = setting(16, WIDTH, minimum=1)
    rate: float = attrs.field(default=0.5, metadata={"doc": "nothing much"})


class AnyRate(TwoPartLifter):
    """Takes NaN for a number."""

    Config = AnyRateConfig

    def __init__(self, config, context):
        super().__init__(config, context)
        self.rate = config.rate


@attrs.frozen(kw_only=True)
class DeadSettingConfig(WidthConfig):
    """A setting that nothing reads."""

    resume: bool = setting(False, "go on from the last checkpoint")


class DeadSetting(TwoPartLifter):
    """Has a setting that does nothing."""

    Config = DeadSettingConfig


@attrs.frozen(kw_only=True)
class AnyIntervalConfig(CounterConfig):
    """An interval that may be zero."""

    every: int = setting(1, "steps between counts", minimum=0)


class AnyInterval(Counter):
    """Divides by an interval that may be zero."""

    Config = AnyIntervalConfig


BREAKERS = {
    "described": [("lifter", Undocumented)],
    "defaults": [("lifter", WrongDefault)],
    "settings": [("lifter", Unexplained), ("lifter", Changeable), ("lifter", Listed)],
    "picklable": [("lifter", _hidden())],
    "refusals": [("lifter", Unbounded), ("lifter", AnyRate), ("hook", AnyInterval)],
    "settings-read": [("lifter", DeadSetting)],
}
