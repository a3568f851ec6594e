"""BM25 by hand; tests/real/test_bm25.py holds it against the server."""

import pytest

from scalelab.search.bm25 import Corpus, idf, score, stored_length, tf


def test_a_score_as_the_servers_explain_shows_it():
    # Bodies "a b c a" and "a b", a third document without the field; match "c".
    assert idf(2, 1) == pytest.approx(0.6931472)
    assert tf(1, 4, 3) == pytest.approx(0.40000004)
    assert score(idf(2, 1), tf(1, 4, 3)) == pytest.approx(0.60996956)
    corpus = Corpus({"1": "abca", "2": "ab", "3": ""})
    assert corpus.scores("c") == {"1": pytest.approx(0.60996956)}


def test_what_makes_a_score_larger():
    assert idf(100, 1) > idf(100, 50) > idf(100, 100) > 0
    assert tf(1, 10, 10) < tf(2, 10, 10) < tf(100, 10, 10) < 1
    assert tf(1, 5, 10) > tf(1, 10, 10) > tf(1, 20, 10)
    assert tf(3, 5, 10, b=0) == tf(3, 20, 10, b=0)


def test_every_word_adds_its_own_and_one_said_twice_adds_it_twice():
    corpus = Corpus({"1": ["open", "a", "file"], "2": ["a", "file"], "3": ["a"]})
    one, other, both = (corpus.scores(words) for words in (["open"], ["file"], ["open", "file"]))
    assert both["1"] == pytest.approx(one["1"] + other["1"])
    assert both["2"] == other["2"]
    assert corpus.scores(["file", "file"])["2"] == pytest.approx(2 * other["2"])
    assert corpus.scores(["file"], boost=3)["2"] == pytest.approx(3 * other["2"])
    assert corpus.scores(["shut"]) == corpus.scores([]) == Corpus({}).scores(["a"]) == {}


def test_lengths_are_stored_as_lucene_does():
    assert [stored_length(n) for n in (0, 1, 24, 39, 40, 41, 55, 56, 57)] == (
        [0, 1, 24, 39, 40, 40, 54, 56, 56]
    )
    assert stored_length(1000) == 984
    for tokens in (*range(3000), 10**6, 2**31 - 1):
        assert stored_length(tokens) == _decoded(_encoded(tokens))


def _encoded(tokens):
    """SmallFloat.intToByte4, as Java has it."""
    if tokens < 24:
        return tokens
    above = tokens - 24
    bits = above.bit_length()
    if bits < 4:
        return 24 + above
    shift = bits - 4
    return 24 + ((above >> shift & 0x07) | shift + 1 << 3)


def _decoded(byte):
    """SmallFloat.byte4ToInt."""
    if byte < 24:
        return byte
    bits, shift = (byte - 24) & 0x07, (byte - 24 >> 3) - 1
    return 24 + (bits if shift == -1 else (bits | 0x08) << shift)
