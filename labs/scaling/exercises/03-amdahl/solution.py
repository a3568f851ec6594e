"""How long does the report take on more servers? By Amdahl's law, a straight line over 1 / n.

G. Amdahl, "Validity of the single processor approach to achieving large scale computing
capabilities", AFIPS 1967.
"""

import statistics


def seconds(measured: list[list[float]], servers: int) -> float:
    """How long the report takes on so many servers."""
    shares = [1 / count for count, _ in measured]
    divided, alone = statistics.linear_regression(shares, [took for _, took in measured])
    return alone + divided / servers
