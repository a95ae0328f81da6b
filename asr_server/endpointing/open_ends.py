"""English words that want more after them, and the sentences that end on one all the same.

"And", "the" and "would" are said by who has more to say. But "than he was", "where you are" and "like that" end
sentences about as often as any words do, and cost seconds where they are waited for as if they did not. Others never
end one, whatever sign a recogniser puts there: nobody ends on "I'm". Which is which was counted over sentences and
their beginnings (`benchmarks/open_ends.py`). Tokens are words in lower case. Knows nothing of punctuation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUXILIARIES: Final = "is are was were am be would will could should can may might do does did have has had"
_NEVER_LAST_WORDS: Final = "and or because although unless the an my your our their um uh er erm hmm"
_NEVER_LAST: Final = frozenset(_NEVER_LAST_WORDS.split())
# Conjunctions and relatives; possessives and prepositions; fillers.
_OTHERS: Final = (
    "but though if when while until since that which who whose where than as "
    "a his her its to at for with from into between without actually basically i"
)
_OPEN: Final = _NEVER_LAST.union(_AUXILIARIES.split(), _OTHERS.split())
# "I'm", "they're": a short form leans on what follows. 's is a possessive too, but for the commonest.
_LEANS: Final = re.compile(r"\w'(?:m|re|ve|ll|d)$|^(?:it|that|there|he|she|what|who|where|here|how)'s$")

_VERB: Final = f"(?:{_AUXILIARIES.replace(' ', '|')})"
_VERBS: Final = rf"(?:(?:not|really|ever|to|{_VERB}) )*(?:{_VERB}|(?:used|want|have|need|able) to)"
_WHOLE: Final = re.compile(
    r"(?:^|\s)(?:"
    # Comparisons: "than he was", "as simple as it may be".
    rf"(?:than|as)(?: \S+){{1,3}}? {_VERBS}"
    # Indirect questions: "where you are", "what time it is", "what my name is".
    rf"|(?:what|where|who|how)(?: \S+)?? (?:i|you|he|she|it|we|they|this|that) {_VERB}"
    rf"|(?:what|where|who|how) (?:the|my|your|his|her|its|our|their) \S+ {_VERB}"
    # No conjunction, no possessive: "like that", "call her".
    r"|(?:like|than|about|for|with|to|of|at|from|do|did|done|doing) that"
    r"|(?:call|tell|told|ask|asked|love|see|saw|meet|met|help|give|for|to|with|about) her"
    r"|a while|(?:in|of|last|next|early|late|until|since|before|after) may"
    r")$"
)
_SHORT_ANSWERS: Final = ("yes please", "me too", "so am", "i am", "i do", "i did", "i can", "i have", "go on")


def is_open(tokens: Sequence[str]) -> bool:
    """Whether what ends so mostly goes on; nothing at all does."""
    if not tokens:
        return True
    return never_ends(tokens) or (tokens[-1] in _OPEN and " ".join(tokens[-2:]) not in _SHORT_ANSWERS)


def never_ends(tokens: Sequence[str]) -> bool:
    """Whether nothing that is whole ends so, not even a question."""
    return bool(tokens) and (tokens[-1] in _NEVER_LAST or _LEANS.search(tokens[-1]) is not None)


def may_be_whole(tokens: Sequence[str]) -> bool:
    """Whether what ends so, on a word that is open elsewhere, is over about as often as after other words."""
    return _WHOLE.search(" ".join(tokens)) is not None
