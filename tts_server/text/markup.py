"""Takes the marks of Markdown and HTML out of a text; what they mark stays, and lines of lists and tables end.

Knows no language but the few words that a mark stands for, which it is given.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Kept, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tts_server.text.mapped import Mapped, Part
    from tts_server.text.spoken.vocabulary import Words

    Replace = Callable[[re.Match[str]], Iterable[Part] | None]

_TAGS: Final = (
    "a|abbr|b|bdi|bdo|big|blockquote|body|br|break|button|caption|center|cite|code|col|dd|del|details|div|dl|dt|em|font|footer|"
    "form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|option|p|path|pre|prosody|q|"
    "s|say-as|script|section|select|small|source|span|speak|strike|strong|style|sub|summary|sup|svg|table|tbody|td|textarea|"
    "tfoot|th|thead|title|tr|tt|u|ul|var|video|voice|wbr"
)
_ATTRIBUTES: Final = r"""(?:\s+[\w:-]{1,40}=(?:"[^"<>\n]{0,300}"|'[^'<>\n]{0,300}'|[^\s<>"']{1,80}))"""
_CELL: Final = re.compile(r"(?:\\\||[^|])+")
_BREAKS: Final = re.compile(r"br|p|li|tr|div|h[1-6]|hr|table|ul|ol|blockquote|dd|dt")
# What may stand on both sides of the sign of a multiplication: a number, a bracket, or one letter by itself.
_BEFORE_TIMES: Final = r"(?<=\d)|(?<=\))|(?<=(?<!\w)[^\W\d_])"
_AFTER_TIMES: Final = r"[\d(]|[^\W\d_](?!\w)"
_RULE_LINE: Final = r"(?m)^[ \t]{0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|={3,}[ \t]*)$"
_TABLE_LINE: Final = (
    r"(?m)^[ \t]{0,3}\|?[ \t]{0,3}:?-{1,40}:?[ \t]{0,3}(?:\|[ \t]{0,3}:?-{1,40}:?[ \t]{0,3}){0,30}\|?[ \t]{0,3}$"
)


def without_markup(text: Mapped, words: Words | None) -> Mapped:
    """`text` without marks; `words` are those of its language, None: no rules know it."""
    for pattern, replace in _rules(words):
        text = text.replaced(pattern, replace)
    return text


def _rules(words: Words | None) -> list[tuple[re.Pattern[str], Replace]]:
    return [
        *_BLOCKS,
        (_BOX, lambda match: _box(match, words)),
        *_ROWS,
        (_CELL_SIGN, lambda match: _cell_sign(match, words)),
        *_INLINE,
    ]


def _group(*names: str | int) -> Replace:
    """Keeps these groups of a match."""
    return lambda match: [Kept(*match.span(name)) for name in names if match.start(name) >= 0]


def _text(said: str) -> Replace:
    return lambda match: [Said(said, match.start(), match.end())]


def _gone(_: re.Match[str]) -> list[Part]:
    return []


def _box(match: re.Match[str], words: Words | None) -> list[Part]:
    if words is None:
        return []
    said = words.open if match["box"] == " " else words.done
    return [Said(f"{said}: ", match.start("box") - 1, match.end("box") + 1)]


def _cell_sign(match: re.Match[str], words: Words | None) -> list[Part] | None:
    if words is None:
        return None
    return [Said(words.yes if match[0] in "✅✓✔☑" else words.no, match.start(), match.end())]


def _entity(match: re.Match[str]) -> list[Part] | None:
    said = html.unescape(match[0])
    # A space takes the place of one that is kept together, so that words are found.
    return None if said == match[0] else [Said(" " if said.isspace() else said, match.start(), match.end())]


def _tag(match: re.Match[str]) -> list[Part]:
    return [Said("\n" if _BREAKS.fullmatch(match["name"].lower()) else " ", match.start(), match.end())]


def _row(match: re.Match[str]) -> list[Part] | None:
    """A row of a table as a sentence of its cells."""
    row = match[0]
    edged = row.strip().startswith("|") and row.strip().endswith("|")
    if not edged and not re.search(r"\s\|\s", row):
        return None
    if "||" in row and not row.lstrip().startswith("|"):
        return None
    parts: list[Part] = []
    cells = [cell for cell in _CELL.finditer(match.string, *match.span()) if cell[0].strip()]
    for cell in cells:
        start, end = cell.start() + len(cell[0]) - len(cell[0].lstrip()), cell.start() + len(cell[0].rstrip())
        last = cell is cells[-1]
        mark = (
            "" if match.string[end - 1] in ".!?:;," else "," if not last else "." if row.rstrip().endswith("|") else ""
        )
        parts += [Kept(start, end), Said(mark if last else f"{mark} ", end - 1, end)]
    return parts


_BOX: Final = re.compile(r"(?m)^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+\[(?P<box>[ xX])\][ \t]+")
_CELL_SIGN: Final = re.compile(r"(?:(?<=\| )|(?<=\|))[✅✓✔☑❌✗✘✖](?=\ufe0f?[ ]?\|)")
_BLOCKS: Final[list[tuple[re.Pattern[str], Replace]]] = [
    (re.compile(r"<!--[^\n]{0,400}?-->"), _gone),
    (re.compile(_RULE_LINE), _gone),
    (re.compile(_TABLE_LINE), _gone),
    (re.compile(r"(?m)^[ \t]*(?:>[ \t]?){1,6}"), _gone),
    # A heading, or an item of a list, is a sentence of its own.
    (
        re.compile(
            r"(?m)(?P<line>^[ \t]*(?:#{1,6}[ \t]+|[-*+•◦▪‣][ \t]+|\d{1,3}[.)][ \t])"
            r"[^\n]*[^\s.!?:;,…。！？|])(?P<end>[ \t]*\n)"
        ),
        lambda match: [
            Kept(*match.span("line")),
            Said(".", match.end("line") - 1, match.end("line")),
            Kept(*match.span("end")),
        ],
    ),
    (re.compile(r"(?m)^[ \t]*#{1,6}[ \t]+|[ \t]+#{1,6}(?=\.?[ \t]*$)"), _gone),
]
_ROWS: Final[list[tuple[re.Pattern[str], Replace]]] = [
    (re.compile(r"(?m)^[ \t]*[-*+•◦▪‣][ \t]+"), _gone),
    (
        re.compile(r"(?m)^(?P<number>[ \t]*\d{1,3})\)(?=[ \t])"),
        lambda match: [Kept(*match.span("number")), Said(".", match.end() - 1, match.end())],
    ),
]
_INLINE: Final[list[tuple[re.Pattern[str], Replace]]] = [
    (re.compile(r"(?m)^[^\n|]*\|[^\n]*$"), _row),
    (re.compile(r"\[\^\w{1,10}\]:?"), _gone),
    (re.compile(r"!?\[(?P<text>[^\]\n]{1,300})\]\([^)\s]{0,2000}(?:[ ]\"[^\"\n]{0,200}\")?\)"), _group("text")),
    (re.compile(r"!\[\]\([^)\s]{0,2000}\)"), _gone),
    (re.compile(r"\[(?P<text>[^\]\n]{1,300})\]\[\w{0,40}\]"), _group("text")),
    (re.compile(r"<(?P<text>(?:https?://|mailto:)[^\s<>]{1,2000}|[\w.+-]{1,64}@[\w.-]{1,200})>"), _group("text")),
    (
        re.compile(
            rf"</?(?P<name>{_TAGS}){_ATTRIBUTES}{{0,8}}\s?/?>",
            re.IGNORECASE,
        ),
        _tag,
    ),
    # Any other with attributes, or that stands for nothing but itself, and any end.
    (re.compile(rf"<[A-Za-z][\w-]{{0,30}}(?:{_ATTRIBUTES}{{1,8}}\s?/?|\s?/)>|</[A-Za-z][\w-]{{0,30}}>"), _text(" ")),
    (
        re.compile(r"(?<=\w)<(?P<text>[A-Z]\w{0,30}(?:, ?[A-Z]\w{0,30}){0,3})>"),
        lambda match: [Said(" ", match.start(), match.start() + 1), Kept(*match.span("text"))],
    ),
    (re.compile(r"(?<![\w)])</?(?P<text>[^\W\d][\w -]{0,30})>"), _group("text")),
    (re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});"), _entity),
    (re.compile(r"\\(?P<sign>[\\`*_{}\[\]()#+\-.!|~>$])"), _group("sign")),
    (re.compile(r"(`{1,3})(?P<code>[^\n]{1,400}?)\1"), _group("code")),
    (re.compile(rf"(?:{_BEFORE_TIMES})(?:\*|[ \t]+\*[ \t]+)(?={_AFTER_TIMES})"), _text(" × ")),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), _text("^")),
    (re.compile(r"(?<=\w)`(?=\w)"), _text(" ")),
    (re.compile(r"\*\*|__|~~|`|\*"), _gone),
    (re.compile(r"(?<!\w)_|_(?!\w)"), _gone),
    # espeak reads what is in such brackets as phonemes; nothing that was written is meant as such.
    (re.compile(r"\[\[|\]\]|[{}\[\]]"), _text(" ")),
    (re.compile(r"[₀-₉]"), lambda match: [Said(str(ord(match[0]) - ord("₀")), match.start(), match.end())]),
    (re.compile(r"℃"), _text("°C")),
    (re.compile(r"℉"), _text("°F")),
    (re.compile(r"\ufe0f?\u20e3"), _gone),
]
