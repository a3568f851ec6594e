"""As if all pages were asked for alike."""


def hit_ratio(popularity: list[float], entries: int) -> float:
    return entries / len(popularity)
