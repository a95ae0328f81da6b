"""From words to phonemes, by the rules, the lexicon and the small network that the package carries."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tts_server.text.chunker import without_short_stops

if TYPE_CHECKING:
    from hibari.g2p import G2P

_CHUNK = re.compile(r"\S+")
_SHOWN = re.compile(r"\w")
# Brackets would give phonemes instead of words.
_PLAIN: Final = str.maketrans({"[": " ", "]": " ", "\0": " ", "’": "'", "‘": "'"})
# From here on letters are Latin ones with marks that the network does not know.
_MARKED: Final = "Ḁ"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What stands between spaces."""

    start: int
    """Its first character."""
    end: int
    """The one after its last."""
    phonemes: str
    """How it sounds; empty for what is not said."""


def pronounce(g2p: G2P, text: str) -> list[Chunk] | None:
    """The chunks of `text`, in order; None where one that is to be said has no sound.

    The package's own normalization is left out: a text is written as it is said before it comes here.
    """
    plain = _base_letters(without_short_stops(text).translate(_PLAIN))
    found = [""]
    try:
        tokens = g2p.phonemize_tokens(g2p.tokenize(plain))
    except (LookupError, ValueError):
        # Digits that are none to Python, as "²x", and numbers that are too long for it.
        return None
    for token in tokens:
        found[-1] += token.phonemes or ""
        if token.whitespace:
            found.append("")
    places = [(match.start(), match.end()) for match in _CHUNK.finditer(plain)]
    chunks = [Chunk(*place, phonemes) for place, phonemes in zip(places, found, strict=False)]
    said = [chunk for chunk in chunks if _SHOWN.search(text[chunk.start : chunk.end])]
    whole = len(chunks) == len(places) and any(said) and all(chunk.phonemes for chunk in said)
    return chunks if whole else None


def _base_letters(text: str) -> str:
    """`text` with plain letters for those with rare marks, in as many characters."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFKD", each)[0] if each >= _MARKED else each for each in text)
