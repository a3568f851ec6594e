"""At how many users is the machine full?"""


def knee(measured: list[list[float]], cpus: float, wanted: float) -> float:
    """The number of users at which a machine with `wanted` cores is full.

    measured: pairs of [users, requests per second], of a machine with `cpus` cores.
    """
    return 0.0
