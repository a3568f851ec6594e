"""The measured number of users with the highest throughput: far beyond the knee, it is chance."""


def knee(measured: list[list[float]], cpus: float, wanted: float) -> float:
    users, _ = max(measured, key=lambda pair: pair[1])
    return users * wanted / cpus
