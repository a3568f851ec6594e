"""A straight line through the last two: soon it takes no time at all."""


def seconds(measured: list[list[float]], servers: int) -> float:
    (few, slow), (many, fast) = measured[-2:]
    return fast + (servers - many) * (fast - slow) / (many - few)
