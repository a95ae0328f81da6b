"""Settings from the environment, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from serving.config import ConfigError, optional_setting, read, setting, settings_of


@dataclass(frozen=True, slots=True)
class Config:
    engine: str = setting("PARLEY_X_ENGINE", "tone", choices=("tone", "voice"), help="Engine.")
    port: int = setting("PARLEY_X_PORT", 50051, minimum=0, maximum=65535, help="Port.")
    delay: float = setting("PARLEY_X_DELAY", 0.5, minimum=0, help="Delay.")
    loud: bool = setting("PARLEY_X_LOUD", False, help="Loud.")  # noqa: FBT003 - the default of a setting
    heat: float | None = optional_setting("PARLEY_X_HEAT", float, minimum=0, maximum=2, help="Heat.")


def test_what_is_unset_or_empty_has_its_default() -> None:
    assert read(Config, {"PARLEY_X_PORT": " "}) == Config("tone", 50051, 0.5, False)  # noqa: FBT003 - a field's value


def test_values_are_read_as_what_they_are() -> None:
    given = {"PARLEY_X_ENGINE": "voice", "PARLEY_X_PORT": "1", "PARLEY_X_DELAY": "0.25", "PARLEY_X_LOUD": "Yes"}
    assert read(Config, given) == Config("voice", 1, 0.25, True)  # noqa: FBT003 - a field's value


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PARLEY_X_ENGINE", "tune", "PARLEY_X_ENGINE=tune: not one of tone, voice"),
        ("PARLEY_X_PORT", "many", "PARLEY_X_PORT=many: not a whole number"),
        ("PARLEY_X_PORT", "70000", "PARLEY_X_PORT=70000: more than 65535"),
        ("PARLEY_X_DELAY", "-1", "PARLEY_X_DELAY=-1: less than 0"),
        ("PARLEY_X_DELAY", "soon", "PARLEY_X_DELAY=soon: not a number"),
        ("PARLEY_X_DELAY", "nan", "PARLEY_X_DELAY=nan: not a number"),
        ("PARLEY_X_HEAT", "hot", "PARLEY_X_HEAT=hot: not a number"),
        ("PARLEY_X_HEAT", "2.5", "PARLEY_X_HEAT=2.5: more than 2"),
        ("PARLEY_X_LOUD", "very", "PARLEY_X_LOUD=very: not one of 1, 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable_and_what_would_do(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Config, {variable: value})
    assert str(caught.value).startswith(said)


def test_what_may_be_unset_is_none_until_it_is_set_to_anything_even_nothing() -> None:
    assert read(Config, {}).heat is None
    assert read(Config, {"PARLEY_X_HEAT": "0"}).heat == 0


def test_every_setting_can_be_listed() -> None:
    assert [each.variable for each in settings_of(Config)][:2] == ["PARLEY_X_ENGINE", "PARLEY_X_PORT"]
