"""--rate as it is typed."""

import pytest

from scalelab.cli import rate
from scalelab.errors import UsageError
from scalelab.model import Stage


@pytest.mark.parametrize(
    ("text", "mean", "stages"),
    [
        ("500", 500, ()),
        (" 0.5 ", 0.5, ()),
        ("1e3", 1000, ()),
        ("200:2", 200, (Stage(200, 2),)),
        ("200:2,800:1,200:2", 320, (Stage(200, 2), Stage(800, 1), Stage(200, 2))),
        (" 200 : 2 , 1.5e2 : .5", 190, (Stage(200, 2), Stage(150, 0.5))),
    ],
)
def test_what_it_takes(text, mean, stages):
    found, given = rate.parse(text)
    assert found == pytest.approx(mean)
    assert given == stages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not ''"),
        ("fast", "not 'fast'"),
        ("0", "above 0"),
        ("-5", "above 0"),
        ("nan", "not 'nan'"),
        ("inf", "not 'inf'"),
        ("1e999", "below 10,000,000"),
        ("1e7", "below 10,000,000"),
        ("1_000", "not '1_000'"),
        ("200,800", "does not say how long"),
        ("200:2,800", "the stage '800' of --rate has no seconds"),
        ("200:2,", "the stage '' of --rate has no seconds"),
        ("0:2,800:1", "not '0'"),
        ("200:0", "0.1 to 86400 seconds, not '0'"),
        ("200:-1", "not '-1'"),
        ("200:x", "not 'x'"),
        ("200:2:3", "not '2:3'"),
        ("200:nan", "not 'nan'"),
        (":", "seconds, not ''"),
        ("9:50000,8:50000", "100000 s together"),
        (",".join(["9:1"] * 21), "at most 20 stages, not 21"),
    ],
)
def test_what_it_refuses(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        rate.parse(text)
    assert "such as: --rate " in caught.value.hint
