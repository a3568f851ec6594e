"""Durations and rates as people write them."""

import pytest

from scalelab import units
from scalelab.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [("10s", 10), ("1.5s", 1.5), ("2m", 120), ("2min", 120), ("250ms", 0.25), ("1h", 3600)],
)
def test_durations(text, value):
    assert units.seconds(text, "--for", 0, 3600) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1e3s", "1.s", "10 seconds", "1d", "1s2"])
def test_no_durations(text):
    with pytest.raises(UsageError, match="--for takes a duration"):
        units.seconds(text, "--for", 0, 3600)


@pytest.mark.parametrize("text", ["0.9s", "61s"])
def test_durations_out_of_range(text):
    with pytest.raises(UsageError, match="out of range") as caught:
        units.seconds(text, "--for", 1, 60)
    assert caught.value.hint == "it goes from 1 s to 60 s"


@pytest.mark.parametrize(
    ("text", "value"),
    [("200kB", 2e5), ("1.5MB/s", 1.5e6), ("1 GB/s", 1e9), ("4096B", 4096), ("3mb", 3e6)],
)
def test_rates(text, value):
    assert units.bytes_per_s(text, "--rate", 0, 1e10) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "10", "fast", "-1kB", "1TB", "10kbit"])
def test_no_rates(text):
    with pytest.raises(UsageError, match="--rate takes bytes a second"):
        units.bytes_per_s(text, "--rate", 0, 1e10)


@pytest.mark.parametrize("value", [0.05, 0.0002, 1.5, 10, 90, 120, 5400])
def test_what_is_shown_is_read_again(value):
    shown = units.brief(value).replace(" ", "")
    assert units.seconds(shown, "--for", 0, 1e6) == pytest.approx(value)


@pytest.mark.parametrize("value", [12, 999, 1e3, 2e5, 1e6, 1.5e6, 1e9])
def test_a_rate_that_is_shown_is_read_again(value):
    assert units.bytes_per_s(units.rate(value), "--rate", 0, 1e10) == pytest.approx(value)
