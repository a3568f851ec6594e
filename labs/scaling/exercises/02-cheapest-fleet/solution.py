"""Which machines, and how many? Enough of one size, and a spare; the cheapest of these."""

import math


def fleet(machines: list[dict], needed: float) -> tuple[str, int]:
    """The size and the number of machines to rent."""

    def count(machine: dict) -> int:
        return math.ceil(needed / machine["throughput"]) + 1

    chosen = min(machines, key=lambda machine: count(machine) * machine["price"])
    return chosen["name"], count(chosen)
