"""The pronunciation lexicon: which words it finds, what is read for them, and what they still stand for."""

from __future__ import annotations

import pytest

from parley.errors import InvalidInput, TooLarge
from parley.tts import MAX_PRONUNCIATIONS, Pronunciation, check_lexicon
from tts_server.engine import WordMark
from tts_server.text.lexicon import Lexicon
from tts_server.text.mapped import Mapped
from tts_server.text.marks import words_of
from tts_server.text.normalize import WrittenMarks, normalize

LEXICON = Lexicon(
    Pronunciation(*each)
    for each in (
        ("Worcester", "wooster"),
        ("Worcester sauce", "wooster sauce"),
        ("nginx", "engine x"),
        ("Polish", "poe lish"),
        ("US", "you ess"),
        ("C++", "see plus plus"),
        ("K8s", "kubernetes"),
        ("São Paulo", "sow powlo"),
        ("日本", "にっぽん"),
        ("हिन्द", "hind"),
        ("Łódź", "woodge"),
        ("Node.js", "node jay ess"),
    )
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Worcester, I think.", "wooster, I think."),
        # The longest that stands there.
        ("the Worcester  sauce", "the wooster sauce"),
        ("Worcestershire is near", "Worcestershire is near"),
        # Without a capital letter a word is meant however it is written.
        ("NGINX or Nginx or nginx", "engine x or engine x or engine x"),
        ("polish the Polish table", "polish the poe lish table"),
        ("tell us of the US", "tell us of the you ess"),
        ("C++ and C", "see plus plus and C"),
        ("a K8s-like thing", "a kubernetes-like thing"),
        ("Sa\u0303o Paulo", "sow powlo"),
        ("今日は日本です", "今日はにっぽんです"),
        # A vowel sign goes on with the word.
        ("हिन्दी हिन्द", "हिन्दी hind"),
        ("Łódź.", "woodge."),
        ("Node.js runs", "node jay ess runs"),
        # A part of an address is no word.
        ("www.nginx.org, me@nginx.org", "www.nginx.org, me@nginx.org"),
        ("It runs nginx.", "It runs engine x."),
        ("nginxnginx _nginx_", "nginxnginx _nginx_"),
        ("", ""),
    ],
)
def test_whole_words_are_read_as_it_says(written: str, read: str) -> None:
    assert LEXICON.respell(Mapped.of(written)).text == read


def test_of_two_entries_for_a_word_the_first_counts() -> None:
    twice = Lexicon((Pronunciation("gif", "jif"), Pronunciation("gif", "ghif"), Pronunciation("GIF", "gee")))
    assert twice.respell(Mapped.of("gif GIF")).text == "jif jif"


def test_marks_point_at_what_was_written() -> None:
    written = "We pay $5 to **São Paulo** and use nginx."
    said = normalize(written, language="en", lexicon=LEXICON)
    assert said.text == "We pay five dollars to sow powlo and use engine x."
    marks = WrittenMarks(said, 100)
    places = [mark for word in words_of(said.text) for mark in marks.written(WordMark(*word, 0))]
    shown = [written[mark.start_char - 100 : mark.end_char - 100] for mark in places]
    assert shown == ["We", "pay", "$5", "to", "São Paulo", "and", "use", "nginx"]


def test_a_respelling_is_no_markup_and_no_phonemes() -> None:
    for spoken in ("[[w'Ust@]]", "<b>x</b>", "wooster*", "a/b", "", " ", "-", "a\u0000"):
        with pytest.raises(InvalidInput) as refused:
            check_lexicon((Pronunciation("ok", "okay"), Pronunciation("Worcester", spoken)), "lexicon")
        assert refused.value.field == "lexicon[1].spoken"
        assert "'Worcester'" in str(refused.value)


@pytest.mark.parametrize(
    ("entries", "field", "error"),
    [
        ((Pronunciation("", "x"),), "lexicon[0].written", InvalidInput),
        ((Pronunciation("!?", "x"),), "lexicon[0].written", InvalidInput),
        ((Pronunciation("x" * 61, "x"),), "lexicon[0].written", TooLarge),
        ((Pronunciation("x", "x" * 101),), "lexicon[0].spoken", TooLarge),
        ((Pronunciation("é", "x"), Pronunciation("e\u0301", "y")), "lexicon[1].written", InvalidInput),
        ((Pronunciation("x", "y"),) * (MAX_PRONUNCIATIONS + 1), "lexicon", TooLarge),
    ],
)
def test_what_cannot_be_taken_is_named(
    entries: tuple[Pronunciation, ...], field: str, error: type[InvalidInput | TooLarge]
) -> None:
    with pytest.raises(error) as refused:
        check_lexicon(entries, "lexicon")
    assert refused.value.field == field


def test_space_around_an_entry_and_within_it_makes_no_difference() -> None:
    assert check_lexicon((Pronunciation(" São  Paulo ", " sow\tpowlo "),), "lexicon") == (
        Pronunciation("São Paulo", "sow powlo"),
    )
