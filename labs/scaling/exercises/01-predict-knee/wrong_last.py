"""The most users that were measured: by then the machine had long been full."""


def knee(measured: list[list[float]], cpus: float, wanted: float) -> float:
    users, _ = measured[-1]
    return users * wanted / cpus
