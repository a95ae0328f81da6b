"""Text made fit to be spoken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_server.text.normalize import NormalizedText, normalize


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("This is **very** important.", "This is very important."),
        ("# Title\n- one\n- two", "Title.\none.\ntwo"),
        ("See [the manual](https://example.org/a/b?c=d).", "See the manual."),
        ("Go to https://www.example.org/a/b?c=d now", "Go to https://www.example.org/a/b?c=d now"),
        ("Use `make run` now", "Use make run now"),
        ("snake_case stays", "snake_case stays"),
        ("salt & pepper", "salt & pepper"),
        ("AT&amp;T&nbsp;is", "AT&T is"),
        ("5*3 and 5 * 3 are x*y", "5 × 3 and 5 × 3 are x × y"),
        ("(1+2)*3, 1*2*3, 2**3", "(1+2) × 3, 1 × 2 × 3, 2 3"),
        ("*a* b, **5** and *3*, un*believ*able", "a b, 5 and 3, unbelievable"),
        ("20°C or 68 ℉", "20°C or 68 °F"),
        ("Great! 🎉", "Great!  "),
        ("```\ncode()\n```Done.", " Done."),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
    ],
)
def test_markup_is_left_out(written: str, said: str) -> None:
    assert normalize(written).text == said


@pytest.mark.parametrize("written", ["", "🎉🎉", "***", "  \n", "```\ncode()\n```"])
def test_what_has_no_words_is_not_spoken(written: str) -> None:
    assert normalize(written).text == ""


@pytest.mark.parametrize("written", ["say [[h@'loU]] please", "a <break time='9s'/> b"])
def test_nothing_reaches_the_library_as_markup(written: str) -> None:
    said = normalize(written).text
    assert "[[" not in said
    assert "<break" not in said


def test_a_spoken_word_is_found_in_the_text_as_written() -> None:
    written = "See **the** [manual](https://example.org/x) now"
    said = normalize(written)
    for word in ("the", "manual", "now"):
        start = said.text.index(word)
        first, end = said.source(start, start + len(word))
        assert written[first:end] == word


def test_code_that_comes_in_several_pieces_is_left_out_whole() -> None:
    pieces = ["Try this:\n```python\nprint(1).", " Two.\nreturn x", "\n``` And then", " rest. ```a``` End."]
    said, fence = [], ""
    for piece in pieces:
        part = normalize(piece, fence=fence)
        fence = part.fence
        said.append(" ".join(part.text.split()))
    assert said == ["Try this:", "", "And then", "rest. End."]
    assert not fence


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["Here:\n```\nprint(1)\n\nThat is all there is. Good luck."], "Here: That is all there is. Good luck."),
        (
            [
                "Run:\n```bash\nls\n\nAfter that it is ready.",
                " Open it.\n```\nIt goes on.",
                "\n```py\nx = 1\n```\nEnd.",
            ],
            "Run: After that it is ready. Open it. It goes on. End.",
        ),
        # What is closed is code, whatever is in it, and so are sentences within a line.
        (["```\nfoo\n\nThis is a sentence of four words.\n```\nDone."], "Done."),
        (['```python\n\nprint("This is it, I think.")', "\n\n    This is indented text."], ""),
        (['```py title="a b"\nx = 1\n```\nDone.'], "Done."),
        (["``` is a fence.", " It opens code."], "is a fence. It opens code."),
    ],
)
def test_a_block_of_code_that_nobody_closed_silences_no_sentence_after_it(pieces: list[str], said: str) -> None:
    spoken, fence = "", ""
    for place, piece in enumerate(pieces):
        part = normalize(piece, fence=fence, language="en", begins_line=place == 0)
        spoken, fence = f"{spoken} {part.text}", part.fence
    assert " ".join(spoken.split()) == said


def test_a_mark_of_code_in_the_middle_of_a_line_hides_nothing() -> None:
    pieces = ["The mark is", " ``` and it begins code.", " This must be heard."]
    said = [normalize(piece, language="en", begins_line=place == 0) for place, piece in enumerate(pieces)]
    assert [" ".join(part.text.split()) for part in said] == [
        "The mark is",
        "and it begins code.",
        "This must be heard.",
    ]
    assert not any(part.fence for part in said)


@settings(deadline=None)  # the first text in a language has its rules made
@given(st.text(alphabet="ab *_`#[]()&<>🎉\n.:/https$|~-1290,%^=", max_size=60))
def test_every_spoken_character_knows_a_place_that_never_goes_back(written: str) -> None:
    for language in ("", "en", "de", "fr", "es"):
        for fence in ("", "```", "```?"):
            check_places(written, normalize(written, fence=fence, language=language))


def check_places(written: str, said: NormalizedText) -> None:
    starts, ends = said.mapped.starts, said.mapped.ends
    assert len(starts) == len(ends) == len(said.text)
    assert list(starts) == sorted(starts)
    assert list(ends) == sorted(ends)
    assert all(0 <= start < end <= len(written) for start, end in zip(starts, ends, strict=True))
