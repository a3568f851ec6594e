"""At how many users is the machine full? Where the two bounds of throughput cross.

Asymptotic bounds of a closed system: P. Denning, J. Buzen, "The operational analysis of queueing
network models", ACM Computing Surveys 10(3), 1978.
"""


def knee(measured: list[list[float]], cpus: float, wanted: float) -> float:
    """The number of users at which a machine with `wanted` cores is full."""
    few = [pair for pair in measured if pair[0] <= 4]
    slope = sum(rate for _, rate in few) / sum(users for users, _ in few)
    level = max(rate for _, rate in measured)
    return level * wanted / cpus / slope
