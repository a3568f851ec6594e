"""As if the cache held the most popular pages, and nothing else ever."""


def hit_ratio(popularity: list[float], entries: int) -> float:
    return sum(sorted(popularity, reverse=True)[:entries])
