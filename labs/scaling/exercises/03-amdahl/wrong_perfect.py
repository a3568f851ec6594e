"""Everything is divided: nothing is, beyond what can be."""


def seconds(measured: list[list[float]], servers: int) -> float:
    count, took = measured[0]
    return took * count / servers
