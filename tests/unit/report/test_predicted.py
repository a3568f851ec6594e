"""A prediction's outcome reads in one line."""

import pytest
from rich.console import Console

from scalelab.measure.predictions import Compared
from scalelab.model import Prediction
from scalelab.report import predicted

TIMES = Prediction("How many times?", "b", "ratio")
SHARE = Prediction("How many in a hundred?", "b", "stale_share")
SLOW = Prediction("How slow?", "b", "p99_ms")


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (
            Compared(TIMES, 10, 2.43, 2.35, 2.52, "too high"),
            "you said 10x, measured 2.43x [2.35, 2.52]: too high by a factor of 4.12",
        ),
        (Compared(TIMES, 2, 2.1, 1.9, 2.3, "right"), "measured 2.1x [1.9, 2.3]: right"),
        (Compared(SHARE, 0, 0.2, None, None, "too low"), "measured 0.2%: too low by 0.2%"),
        (Compared(SLOW, 50, 1234.5, None, None, "too low"), "measured 1,234 ms: too low"),
        (
            Compared(SLOW, 5, None, None, None, "unknown", "too few", "measure longer"),
            "you said 5 ms; this run could not tell: too few (measure longer)",
        ),
    ],
)
def test_what_it_says(compared, said):
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(predicted.render([compared]))
    assert said in captured.get()
    assert compared.prediction.text in captured.get()
