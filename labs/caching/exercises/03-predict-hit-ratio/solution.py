"""The hit ratio of a cache that throws out at random, by the mean time that a page stays.

E. Gelenbe, "A unified approach to the evaluation of a class of replacement algorithms", IEEE
Transactions on Computers C-22(6), 1973.
"""


def hit_ratio(popularity: list[float], entries: int) -> float:
    """The share of look-ups that hit, from 0 to 1, once the cache is full."""
    if entries >= len(popularity):
        return 1.0

    def held(stay: float) -> list[float]:
        return [p * stay / (1 + p * stay) for p in popularity]

    low, high = 0.0, float(entries)
    while sum(held(high)) < entries:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(held(middle)) < entries else (low, middle)
    return sum(p * share for p, share in zip(popularity, held(high), strict=True))
