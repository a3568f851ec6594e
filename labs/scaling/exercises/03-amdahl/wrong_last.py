"""Goes on from the last measured time as if all of that were divided."""


def seconds(measured: list[list[float]], servers: int) -> float:
    count, took = measured[-1]
    return took * count / servers
