"""How words are written in a search box: "a phrase", -not, or. As PostgreSQL's websearch has it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PIECE = re.compile(r'(-?)"([^"]*)"?|(\S+)')
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class Term:
    """A word, or words that follow each other, that must be there, or must not."""

    text: str
    phrase: bool = False
    negated: bool = False


def parse(words: str) -> tuple[tuple[Term, ...], ...]:
    """The alternatives, of each the terms that it takes; empty where there is nothing to look for.

    ``or`` parts alternatives, ``-`` before a word or a phrase negates it. Anything is valid: a
    search box has no syntax errors.
    """
    alternatives: list[list[Term]] = [[]]
    for match in _PIECE.finditer(words):
        quoted, word = match[2], match[3]
        if word is None:
            if _WORD.search(quoted):
                alternatives[-1].append(Term(quoted.strip(), True, match[1] == "-"))
        elif word.lower() == "or":
            if alternatives[-1]:
                alternatives.append([])
        elif _WORD.search(word):
            alternatives[-1].append(Term(word.lstrip("-"), negated=word.startswith("-")))
    return tuple(tuple(each) for each in alternatives if each)


def plain(terms: Sequence[Term]) -> tuple[str, ...]:
    """The single words among the terms that must be there."""
    return tuple(term.text for term in terms if not (term.phrase or term.negated))
