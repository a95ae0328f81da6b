"""What the rules over a sentence's last words get right: over sentences, and over all their beginnings.

    PYTHONPATH=. python benchmarks/open_ends.py FILE...

Every line of a FILE is a whole sentence of English; questions are left out. Each is judged as it stands, and up to each
word before its last, from the second on, with the full stop that recognisers put at most pauses: there a speaker might
pause. Told are how many of either are waited for as unfinished, or as hesitant: of whole sentences it should be few.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asr_server.endpointing.completeness import Completeness, completeness

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST_WORDS: Final = 2


def looks(texts: Iterable[str]) -> Counter[Completeness]:
    """How many of `texts` look how finished."""
    return Counter(completeness(text) for text in texts)


def beginnings(sentence: str) -> list[str]:
    """All of a sentence up to a word that is not its last, with the full stop that recognisers put at a pause."""
    words = sentence.rstrip(".!").split()
    return [" ".join(words[:count]).rstrip(",;:") + "." for count in range(LEAST_WORDS, len(words))]


def row(name: str, found: Counter[Completeness]) -> str:
    """One line of the table."""
    count = found.total()
    shares = (found[each] / max(1, count) for each in (Completeness.UNFINISHED, Completeness.HESITANT))
    return f"{name:<40}{count:>9}" + "".join(f"{share:>12.2%}" for share in shares)


def main() -> None:
    """Print a table with two lines for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    print(f"{'':<40}{'count':>9}{'unfinished':>12}{'hesitant':>12}")
    for file in parser.parse_args().files:
        lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
        whole = [line for line in lines if line and not line.endswith("?")]
        print(row(f"{file.name}, whole", looks(whole)))
        print(row(f"{file.name}, beginnings", looks(text for each in whole for text in beginnings(each))))


if __name__ == "__main__":
    main()
