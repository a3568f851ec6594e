"""Enough machines, as long as none of them dies."""

import math


def fleet(machines: list[dict], needed: float) -> tuple[str, int]:
    def count(machine: dict) -> int:
        return math.ceil(needed / machine["throughput"])

    chosen = min(machines, key=lambda machine: count(machine) * machine["price"])
    return chosen["name"], count(chosen)
