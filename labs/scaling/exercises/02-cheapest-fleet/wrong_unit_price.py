"""The best price for a request: the spare of a large machine, and what is rounded up, cost too."""

import math


def fleet(machines: list[dict], needed: float) -> tuple[str, int]:
    chosen = min(machines, key=lambda machine: machine["price"] / machine["throughput"])
    return chosen["name"], math.ceil(needed / chosen["throughput"]) + 1
