"""The knee of the machine that was measured: the new one has more CPU."""


def knee(measured: list[list[float]], cpus: float, wanted: float) -> float:
    slope = measured[0][1] / measured[0][0]
    return max(rate for _, rate in measured) / slope
