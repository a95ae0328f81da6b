"""What libraries for text normalization say for our table of spoken forms, and what we say for their own test rows.

    PYTHONPATH=. python benchmarks/spoken_forms.py [--misses]

Installs each library into a temporary environment from the package index; nothing of theirs is kept. The table is
tests/tts_server/text/spoken_forms.tsv. The test rows are those of unicode-rbnf, whose number words we use, and of
NeMo's grammars, which kitten-text-processing runs without NeMo and carries in its source archive. Both sides are
compared by their letters and figures alone: about capitals, hyphens, spaces, punctuation and the "and" within numbers
each library has its own habit.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tts_server.text.normalize import normalize

LANGUAGES: Final = ("en", "de", "fr", "es")
_NUM2WORDS: Final = """
import re, num2words
def say(text, language):
    return re.sub(r'\\d{1,15}(?:\\.\\d+)?', lambda match: num2words.num2words(match[0], lang=language), text)
"""
_NORMT2S: Final = """
import normt2s
normalizers = {code: normt2s.Normalizer(code, markdown='strip') for code in ('en', 'de')}
def say(text, language):
    return normalizers[language](text)
"""
# What each speaks, and how it is called: `say` takes a text and a language.
CANDIDATES: Final = {
    "wetext": (
        ("en",),
        "import wetext; n = wetext.Normalizer(lang='en', operator='tn'); say = lambda text, _: n.normalize(text)",
    ),
    "kitten-text-processing": (LANGUAGES, "import kitten_text_processing as k; say = k.normalize_text"),
    "num2words": (LANGUAGES, _NUM2WORDS),
    "normt2s": (
        ("en", "de"),
        _NORMT2S,
    ),
    "voxnorm": (("en",), "import voxnorm; say = lambda text, language: voxnorm.normalize(text, language)"),
}
_RUNNER: Final = """
import json, sys, time
def memory():
    return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmRSS')) / 1024
texts, before, began = json.load(sys.stdin), memory(), time.perf_counter()
{how}
for language in {languages!r}:
    say('I have 5.', language)
ready, said, times = time.perf_counter() - began, {{}}, []
for language, written in texts:
    if language not in {languages!r}:
        continue
    began = time.perf_counter()
    try:
        said[language + written] = say(written, language)
    except Exception as error:  # whatever a library raises is what it says
        said[language + written] = repr(error)
    times.append(time.perf_counter() - began)
times.sort()
print(json.dumps([said, ready, memory() - before, times[len(times) // 2] * 1000, times[len(times) * 19 // 20] * 1000]))
"""


@dataclass(frozen=True, slots=True)
class Row:
    language: str
    written: str
    spoken: str
    kind: str


def plain(text: str) -> str:
    """The letters and figures alone."""
    words = re.sub(r"[^\w\s]|_", " ", text.casefold().replace(".", "").replace("'", "")).split()
    return "".join("o" if word == "oh" else word for word in words if word not in {"and", "und"}).replace("und", "")


def own_rows() -> list[Row]:
    table = Path("tests/tts_server/text/spoken_forms.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("# ")]
    unescaped = [row[1].replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\") for row in rows]
    return [Row(row[0], written, row[2], row[3]) for row, written in zip(rows, unescaped, strict=True)]


def say(row: Row) -> str:
    return normalize(row.written, language=row.language).text


def nemo_rows(source: Path) -> list[Row]:
    """The rows that NeMo's tests have for each class, German ones with their columns in order."""
    rows = []
    for language in LANGUAGES:
        for file in sorted((source / "tests/upstream" / language).glob("test_cases_*.txt")):
            kind = file.stem.removeprefix("test_cases_")
            if kind.startswith("normalize_with_audio"):
                continue
            for line in file.read_text(encoding="utf-8").splitlines():
                first, found, second = line.partition("~")
                written, spoken = (second, first) if language == "de" else (first, second)
                if found:
                    rows.append(Row(language, written, spoken, f"{language} {kind}"))
    return rows


def rbnf_rows(source: Path) -> list[Row]:
    """What unicode-rbnf's tests say of plain numbers: `assert engine.format_number(7).text == "seven"`."""
    rows = []
    for language in LANGUAGES:
        tree = ast.parse((source / f"tests/test_{language}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            match node:
                case ast.Assert(
                    test=ast.Compare(
                        left=ast.Attribute(value=ast.Call(args=[number], keywords=[]), attr="text"),
                        comparators=[ast.Constant(value=str(spoken))],
                    )
                ) if (written := ast.unparse(number).strip("'")).replace(".", "").lstrip("-").isdigit():
                    rows.append(Row(language, localized(written, language), spoken, language))
                case _:
                    pass
    return rows


def localized(number: str, language: str) -> str:
    """A number with the language's own mark before its decimals, and none that makes a year of it."""
    whole, point, decimals = number.partition(".")
    grouped = f"{int(whole):,}" if language == "en" and whole.lstrip("-") else whole
    return grouped + ("." if language == "en" else ",") * bool(point) + decimals


def install(folder: Path, names: list[str]) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *names], check=True)
    return python


def source_of(folder: Path, name: str) -> Path:
    """Its source archive, unpacked."""
    folder.mkdir()
    command = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), name]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *command], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def size_mb(python: Path, name: str) -> str:
    """Licence, version and installed size."""
    ask = (
        "import importlib.metadata as m, os, sys; d = m.distribution(sys.argv[1])\n"
        "size = sum(os.path.getsize(d.locate_file(f)) for f in d.files if os.path.exists(d.locate_file(f)))\n"
        "licence = d.metadata['License-Expression'] or (d.metadata['License'] or '?')[:12]\n"
        "print(d.version, licence, f'{size / 1e6:.1f} MB')"
    )
    return subprocess.run([python, "-c", ask, name], check=True, capture_output=True, text=True).stdout.strip()


def judge(rows: list[Row], said: dict[str, str]) -> Counter[str]:
    """How many rows of each language are right."""
    return Counter(
        row.language for row in rows if plain(said.get(row.language + row.written, "\0")) == plain(row.spoken)
    )


def share(right: int, of: int) -> str:
    return f"{right:4} of {of:4} ({right / of:4.0%})" if of else "-"


def compare_candidates(python: Path, title: str, rows: list[Row]) -> None:
    many = Counter(row.language for row in rows)
    texts = json.dumps([(row.language, row.written) for row in rows])
    ours = judge(rows, {row.language + row.written: say(row) for row in rows})
    print(f"{title}\n    {', '.join(f'{each} {share(ours[each], many[each])}' for each in LANGUAGES)} ours")
    for name, (languages, how) in CANDIDATES.items():
        code = _RUNNER.format(how=how, languages=languages)
        result = subprocess.run([python, "-c", code], check=True, input=texts, capture_output=True, text=True)
        said, ready, memory, median, high = json.loads(result.stdout.splitlines()[-1])
        right = judge(rows, said)
        rates = ", ".join(f"{language} {share(right[language], many[language])}" for language in languages)
        cost = f"ready in {ready:.2f} s, {memory:.0f} MB, {median:.2f} ms a row, p95 {high:.2f} ms"
        print(f"    {rates} {name} {size_mb(python, name)}; {cost}")


def compare_rows(title: str, rows: list[Row], *, misses: bool) -> None:
    right, many = Counter[str](), Counter[str]()
    for row in rows:
        said = say(row)
        many[row.kind] += 1
        right[row.kind] += plain(said) == plain(row.spoken)
        if misses and plain(said) != plain(row.spoken):
            print(f"    {row.kind}: {row.written!r}: theirs {row.spoken!r}, ours {said!r}")
    print(f"{title}: ours {share(sum(right.values()), sum(many.values()))}")
    for kind in many:
        print(f"    {share(right[kind], many[kind])} {kind}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--misses", action="store_true", help="print each row on which we differ")
    misses = parser.parse_args().misses
    with tempfile.TemporaryDirectory() as folder:
        python = install(Path(folder) / "venv", list(CANDIDATES))
        compare_candidates(python, "Our table:", own_rows())
        nemo = nemo_rows(source_of(Path(folder) / "nemo", "kitten-text-processing"))
        compare_candidates(python, "NeMo's own rows:", nemo)
        compare_rows("NeMo's own rows by kind", nemo, misses=misses)
        numbers = rbnf_rows(source_of(Path(folder) / "rbnf", "unicode-rbnf"))
        compare_rows("unicode-rbnf's own rows", numbers, misses=misses)


if __name__ == "__main__":
    main()
