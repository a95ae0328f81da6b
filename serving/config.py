"""Reads one frozen dataclass per process from `PARLEY_*` variables, and says plainly what is wrong with a value.

Knows nothing of what the settings mean.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast, get_args, get_type_hints

from parley._variables import LOG_LEVELS, PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool
C = TypeVar("C")
V = TypeVar("V", str, int, float, bool)

_SETTING: Final = "setting"
_WORDS_OF_TRUTH: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class ConfigError(Exception):
    """A variable has a value that cannot be used; the message names variable, value and choices."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one variable."""

    variable: str
    """Name in the environment."""
    default: Value | None
    """Value when the variable is unset or empty; None: that is a value of its own."""
    help: str
    """A sentence for people."""
    choices: tuple[str, ...] = ()
    """The only values taken; empty: any."""
    minimum: float | None = None
    """Least number taken."""
    maximum: float | None = None
    """Greatest number taken."""


def setting(  # noqa: PLR0913 - keywords of a declaration, not steps of a call
    variable: str,
    default: V,
    *,
    help: str,  # noqa: A002 - the word that argparse and click use
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> V:
    """Declare a field of a configuration that is read from `variable`, and is `default` when that is unset."""
    known = Setting(variable, default, help, choices, minimum, maximum)
    return dataclasses.field(default=default, metadata={_SETTING: known})


def optional_setting(
    variable: str,
    kind: type[V],
    *,
    help: str,  # noqa: A002 - as above
    minimum: float | None = None,
    maximum: float | None = None,
) -> V | None:
    """Declare a field that is read from `variable` as a `kind`, and is None when that is unset."""
    del kind  # The field's own type says it; this is for whoever checks that.
    known = Setting(variable, None, help, minimum=minimum, maximum=maximum)
    return dataclasses.field(default=None, metadata={_SETTING: known})


def port_setting(variable: str, *, help: str) -> int:  # noqa: A002 - as above
    """Declare a field that holds a port, with the default that every process knows for it."""
    return setting(variable, PORTS[variable], help=help, minimum=0, maximum=65535)


def settings_of(config_class: type[object]) -> tuple[Setting, ...]:
    """Every declared setting of a configuration class, in order."""
    fields = dataclasses.fields(config_class)  # type: ignore[arg-type]  # a dataclass, by the rule of this module
    return tuple(field.metadata[_SETTING] for field in fields if _SETTING in field.metadata)


def read(config_class: type[C], environment: Mapping[str, str]) -> C:
    """A configuration from the environment.

    Raises:
        ConfigError: a value is no number, out of bounds, or not among the choices.
    """
    hints = get_type_hints(config_class)
    values: dict[str, Value | None] = {}
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]  # as above
        known = cast("Setting", field.metadata[_SETTING])
        text = environment.get(known.variable, "").strip()
        # Of `float | None` the first.
        kind = next(iter(get_args(hints[field.name])), hints[field.name])
        values[field.name] = _parse(known, text, kind) if text else known.default
    return config_class(**values)


def log_level(environment: Mapping[str, str]) -> str:
    """How much is to be logged.

    Raises:
        ConfigError: there is no such level.
    """
    text = environment.get("PARLEY_LOG_LEVEL", "").strip() or "INFO"
    if text.upper() not in LOG_LEVELS:
        raise ConfigError(f"PARLEY_LOG_LEVEL={text}: not one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _parse(known: Setting, text: str, kind: type[Value]) -> Value:
    if known.choices and text not in known.choices:
        raise ConfigError(f"{known.variable}={text}: not one of {', '.join(known.choices)}")
    if kind is bool:
        return _truth(known, text)
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{known.variable}={text}: not {wanted}") from error
    if math.isnan(float(number)):
        raise ConfigError(f"{known.variable}={text}: not a number")
    if known.minimum is not None and float(number) < known.minimum:
        raise ConfigError(f"{known.variable}={text}: less than {known.minimum:g}")
    if known.maximum is not None and float(number) > known.maximum:
        raise ConfigError(f"{known.variable}={text}: more than {known.maximum:g}")
    return number


def _truth(known: Setting, text: str) -> bool:
    truth = _WORDS_OF_TRUTH.get(text.lower())
    if truth is None:
        raise ConfigError(f"{known.variable}={text}: not one of 1, 0, true, false, yes, no, on, off")
    return truth
