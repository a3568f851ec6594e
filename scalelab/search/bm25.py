"""BM25 by hand, as Elasticsearch computes it on one shard, so that a score can be checked. Pure.

The form is Lucene's, with k1 = 1.2 and b = 0.75:

    score = (k1 + 1) * idf * tf, summed over the words of the question
    idf   = ln(1 + (N - n + 0.5) / (n + 0.5))
    tf    = freq / (freq + k1 * (1 - b + b * dl / avgdl))

N is the number of documents that have the field at all, n that of those with the word, freq how
often the document has it, dl the length of the field in tokens, avgdl the mean of the true lengths.
Lucene itself dropped the constant (k1 + 1), which changes no order; Elasticsearch kept it, so that
scores did not change: its ``explain`` calls it "boost" and says 2.2.

Lucene keeps a field's length in one byte, which is exact up to 39 tokens and coarser beyond:
``stored_length``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

K1 = 1.2
B = 0.75

_EXACT = 24
"""Lengths below this one are stored as they are: SmallFloat.NUM_FREE_VALUES."""


def stored_length(tokens: int) -> int:
    """The length of a field as Lucene remembers it: rounded down to four significant bits.

    What is rounded is the part above 24 (SmallFloat.intToByte4): 39 stays 39, 41 becomes 40, 1000
    becomes 984.
    """
    above = tokens - _EXACT
    shift = max(0, above.bit_length() - 4)
    return tokens if above < 0 else _EXACT + (above >> shift << shift)


def idf(documents: int, containing: int) -> float:
    """How much a word tells: the rarer, the more.

    Parameters
    ----------
    documents : how many have the field.
    containing : how many of them have the word.
    """
    return math.log(1 + (documents - containing + 0.5) / (containing + 0.5))


def tf(frequency: float, length: int, average: float, *, k1: float = K1, b: float = B) -> float:
    """What a word's occurrences in a document are worth: below 1, and less in a longer one.

    Parameters
    ----------
    length : of the document's field, as stored.
    average : the mean length, of true lengths.
    """
    return frequency / (frequency + k1 * (1 - b + b * length / average))


def score(weight: float, share: float, *, k1: float = K1, boost: float = 1) -> float:
    """The score one word adds, from its :func:`idf` and :func:`tf`."""
    return boost * (k1 + 1) * weight * share


class Corpus:
    """The tokens of one field in every document of an index, to be asked for scores.

    Parameters
    ----------
    documents : the tokens by id, as the field's analyzer made them; documents without any do not
        count as having the field.
    """

    def __init__(
        self, documents: Mapping[str, Iterable[str]], *, k1: float = K1, b: float = B
    ) -> None:
        self._k1, self._b = k1, b
        counted = {id_: Counter(tokens) for id_, tokens in documents.items()}
        self._counts = {id_: counts for id_, counts in counted.items() if counts}
        lengths = {id_: counts.total() for id_, counts in self._counts.items()}
        self._lengths = {id_: stored_length(length) for id_, length in lengths.items()}
        self.average = sum(lengths.values()) / len(lengths) if lengths else 0.0
        self._containing = Counter(word for counts in self._counts.values() for word in counts)

    def scores(self, words: Sequence[str], *, boost: float = 1) -> dict[str, float]:
        """The score of every document that has one of the words: a ``match`` query.

        Parameters
        ----------
        words : of the question, as the same analyzer made them; one said twice counts twice.
        """
        found: dict[str, float] = {}
        for word in words:
            weight = idf(len(self._counts), self._containing[word])
            for id_, counts in self._counts.items():
                if word in counts:
                    share = tf(
                        counts[word], self._lengths[id_], self.average, k1=self._k1, b=self._b
                    )
                    found[id_] = found.get(id_, 0) + score(weight, share, k1=self._k1, boost=boost)
        return found
