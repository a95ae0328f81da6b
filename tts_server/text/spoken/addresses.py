"""Where somebody or something is found: links, e-mail addresses, hosts, files, telephone numbers, versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.spoken.scanner import Rule

if TYPE_CHECKING:
    from tts_server.text.spoken.language import Language

_LABEL: Final = r"[^\W_](?:[\w-]{0,62}[^\W_])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL}){{1,8}}"
# A path that one would say: a few words.
_SAID_PATH: Final = re.compile(r"(?:/[\w-]{1,24}){1,3}/?")
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+|\S")
# What a name of a file or a host ends in, and is said as letters.
_LETTERS: Final = 2
_SHORT_WORDS: Final = frozenset(["co", "go", "py"])
_PHONE_DIGITS: Final = range(7, 16)
_SHORT_GROUP: Final = 4


class Addresses:
    """The rules of one language."""

    def __init__(self, language: Language) -> None:
        """Say addresses in `language`."""
        self._language = language
        words = language.words
        self._names = {
            ".": words.dot,
            "@": words.at,
            "/": words.slash,
            "-": words.dash,
            "_": words.underscore,
            "+": words.plus,
            "~": words.tilde,
        }

    def links(self) -> list[Rule]:
        """Links and e-mail addresses; they come before all that could be a part of one."""
        return [
            Rule(
                re.compile(
                    r"(?<!\w)(?:https?|ftp|wss?)://(?:www\.)?(?P<host>[^\s/?#<>()]{1,80})(?P<rest>[^\s<>]{0,800})"
                ),
                self._link,
            ),
            Rule(re.compile(rf"(?<![\w.@])(?:mailto:)?(?P<name>[\w.+-]{{1,64}}@{_HOST})"), self._spelled),
            Rule(re.compile(rf"(?<![\w.@/])www\.(?P<host>{_HOST})(?P<rest>/[^\s<>]{{0,800}})?"), self._link),
        ]

    def rules(self) -> list[Rule]:
        """All others; they come after dates, which some of them look like."""
        return [
            Rule(re.compile(r"(?<![\w.])v(?P<number>\d{1,6}(?:\.\d{1,6}){1,4})(?!\w|\.\d)"), self._version),
            Rule(
                re.compile(
                    r"(?<![\w.,/-])(?P<phone>(?:\+\d{1,3}[ .\u00a0-]?)?(?:\(\d{1,5}\)[ \u00a0-]?)?"
                    r"\d{1,5}(?:[ .\u00a0-]\d{1,8}){0,5})(?![\w%]|[.,/:-]\d|[ -]\d)"
                ),
                self._phone,
            ),
            Rule(re.compile(r"(?<![\w.,])(?P<number>\d{1,6}(?:\.\d{1,6}){2,4})(?!\w|[.,]\d)"), self._dotted),
            Rule(
                re.compile(rf"(?<![\w.@/])(?P<name>{_LABEL}(?:\.{_LABEL}){{1,8}})(?P<rest>(?:/[\w-]{{1,24}}){{0,3}})"),
                self._dotted_name,
            ),
            Rule(
                re.compile(
                    r"(?<![\w/.~])(?P<name>(?:~|\.{1,2})(?:/[\w.-]{0,63}\w){1,12}/?|(?:/[\w.-]{0,63}\w){2,12}/?)"
                ),
                self._spelled,
            ),
            Rule(re.compile(r"(?<!\w)@(?P<name>[\w.]{1,64})"), self._handle),
        ]

    def _link(self, match: re.Match[str]) -> str:
        rest = (match["rest"] or "").rstrip(".,;:!?\"'”’»)]*")
        ending = (match["rest"] or "")[len(rest) :]
        host = match["host"]
        if not match["rest"]:
            bare = host.rstrip(".,;:!?\"'”’»)]*")
            host, ending = bare, host[len(bare) :]
        path = rest.rstrip("/") if _SAID_PATH.fullmatch(rest) else ""
        return self.spelled(host + path) + ending

    def _spelled(self, match: re.Match[str]) -> str:
        return self.spelled(match["name"])

    def _handle(self, match: re.Match[str]) -> str:
        return f"{self._language.words.at} {self.spelled(match['name'])}"

    def _dotted_name(self, match: re.Match[str]) -> str | None:
        """A host or a file; None for letters with full stops, and for a sentence that follows without a space."""
        labels = match["name"].split(".")
        named = all(len(label) > 1 for label in labels) and labels[0].isascii()
        runs_on = any(label[0].isupper() and not label.isupper() for label in labels[1:])
        if (
            not named
            or runs_on
            or not labels[0][0].isalpha()
            or not (labels[-1].isdecimal() or labels[-1][0].isalpha())
        ):
            return None
        return self.spelled(match["name"] + (match["rest"] or ""))

    def _version(self, match: re.Match[str]) -> str:
        return f"{self._language.words.version} {self._numbers(match['number'], self._language.point('.'))}"

    def _dotted(self, match: re.Match[str]) -> str | None:
        if self._language.is_grouped(match["number"]):
            return None
        if match["number"].count(".") == len("..."):
            return f" {self._language.words.dot} ".join(map(self._language.digits, match["number"].split(".")))
        return self._numbers(match["number"], self._language.point("."))

    def _numbers(self, written: str, point: str) -> str:
        return f" {point} ".join(self._language.whole(part) for part in written.split("."))

    def spelled(self, address: str) -> str:
        """An address, its signs by their names, and its short ending in letters."""
        parts = _PARTS.findall(address)
        said = []
        for index, part in enumerate(parts):
            ends_name = index and parts[index - 1] == "." and part.isalpha()
            if part.isdecimal():
                said.append(self._language.whole(part))
            elif ends_name and len(part) <= _LETTERS and part not in _SHORT_WORDS:
                said.append(".".join(part.upper()))
            else:
                said.append(self._names.get(part, part))
        return " ".join(said)

    def _phone(self, match: re.Match[str]) -> str | None:
        """A telephone number; None for digits that are none."""
        written = match["phone"]
        groups = re.findall(r"\d+", written)
        digits = "".join(groups)
        if len(digits) not in _PHONE_DIGITS or not _looks_dialled(written, groups):
            return None
        said = ", ".join(self._language.digits(group) for group in groups)
        return f"{self._language.words.plus} {said}" if written.startswith("+") else said


def _looks_dialled(written: str, groups: list[str]) -> bool:
    if written.startswith("+") or "(" in written:
        return True
    if len(groups) == 1:
        return False
    if groups[0].startswith("0") or (len(groups) > len("ab") and set(re.sub(r"\d", "", written)) == {"-"}):
        return True
    return "," not in written and [len(group) for group in groups][-2:] == [3, _SHORT_GROUP] and " " not in written
