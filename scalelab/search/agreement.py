"""How alike two engines answer the same question: their ids, best first, compared. Pure."""

from collections.abc import Sequence


def overlap(a: Sequence[str], b: Sequence[str], at: int = 10) -> float:
    """The share of their first `at` answers that two engines have in common: 0 to 1.

    Of the longer of the two, so that an engine which finds little is not called right by it. Two
    that both find nothing agree: 1.
    """
    ours, theirs = set(a[:at]), set(b[:at])
    if not ours and not theirs:
        return 1.0
    return len(ours & theirs) / max(len(ours), len(theirs))


def rank_correlation(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau of the order in which two engines give what both of them found: -1 to 1.

    None where they have fewer than two answers in common: then there is no order to compare.
    """
    places = {id_: place for place, id_ in reversed(list(enumerate(b)))}
    common = [id_ for id_ in dict.fromkeys(a) if id_ in places]
    if len(common) < 2:
        return None
    from scipy import stats  # takes a moment, which only a comparison should

    tau = stats.kendalltau(range(len(common)), [places[id_] for id_ in common])
    return float(tau.statistic)
