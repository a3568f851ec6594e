"""How figures read."""

import pytest

from scalelab.model import Load, Stage
from scalelab.report import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.5, "0.50"),
        (3.2, "3.2"),
        (812.4, "812"),
        (2430, "2,430"),
        (9999.7, "10.0k"),
        (13600, "13.6k"),
        (99_960, "100k"),
        (133_700, "134k"),
        (1_240_000, "1.24M"),
    ],
)
def test_thousands(value, said):
    assert words.thousands(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0.0312, "0.031"), (0.31, "0.31"), (4.21, "4.2"), (17.4, "17"), (1204, "1,204")],
)
def test_ms(value, said):
    assert words.ms(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0%"), (0.00001, "<0.1%"), (0.018, "1.8%"), (0.34, "34%"), (1, "100%")],
)
def test_share_never_rounds_something_to_nothing(value, said):
    assert words.share(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(2.434, "2.43"), (24.34, "24.3"), (0.5, "0.50"), (0.0241, "0.024")]
)
def test_ratio(value, said):
    assert words.ratio(value) == said


@pytest.mark.parametrize(
    ("noun", "said"), [("read", "reads"), ("query", "queries"), ("search", "searches")]
)
def test_plural(noun, said):
    assert words.plural(noun) == said


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(1, None, 3, 1, 1), "closed loop, 1 client"),
        (Load(64, 500.0, 3, 1, 1), "open loop, 500/s planned (poisson) over 64 clients"),
        (
            Load(64, 1_234_567.0, 3, 1, 1, arrivals="constant"),
            "open loop, 1,234,567/s planned (constant) over 64 clients",
        ),
        (
            Load(8, 1, 3, 1, 1, stages=(Stage(0.5, 1), Stage(9000, 2))),
            "open loop, 2 stages of 0.5 to 9,000/s planned (poisson) over 8 clients",
        ),
    ],
)
def test_loop(load, said):
    assert words.loop(load) == said


def test_lists():
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b"]) == "a and b"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
