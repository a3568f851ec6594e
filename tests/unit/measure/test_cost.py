"""What throughput costs, by prices that anybody may have typed."""

import pytest

from scalelab.errors import UsageError
from scalelab.measure import cost

TEXT = """
currency = "EUR"
[per_month]
1 = 40
2 = 79.5
"0.5" = 25
"""


def test_a_months_price_of_all_machines_for_a_thousand_a_second():
    prices = cost.parse(TEXT, "mine")
    assert (prices.currency, prices.source) == ("EUR", "mine")
    assert prices.per_thousand([1], 500) == 80
    assert prices.per_thousand([1, 1, 2], 2000) == pytest.approx(79.75)
    assert prices.per_thousand([0.5], 1000) == 25


@pytest.mark.parametrize(("sizes", "throughput"), [([4], 100), ([1, 4], 100), ([1], 0)])
def test_what_has_no_price_or_serves_nothing_has_no_cost(sizes, throughput):
    assert cost.parse(TEXT, "mine").per_thousand(sizes, throughput) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("currency = EUR", "mine: Invalid value"),
        ('currency = ""\n[per_month]\n1 = 2', "currency is no short text"),
        ("[per_month]\n1 = 2", "currency is no short text"),
        ('currency = "EUR"', "no price"),
        ('currency = "EUR"\nper_month = 3', "no price"),
        ('currency = "EUR"\nper_year = 3\n[per_month]\n1 = 2', "'per_year' is unknown"),
        ('currency = "EUR"\n[per_month]\nlarge = 2', "'large' is no size"),
        ('currency = "EUR"\n[per_month]\n0 = 2', "'0' is no size"),
        ('currency = "EUR"\n[per_month]\nnan = 2', "'nan' is no size"),
        ('currency = "EUR"\n[per_month]\n0.5 = 2', "quotation marks"),
        ('currency = "EUR"\n[per_month]\n1 = "2"', "size 1 is '2'"),
        ('currency = "EUR"\n[per_month]\n1 = -2', "size 1 is -2"),
        ('currency = "EUR"\n[per_month]\n1 = inf', "size 1 is inf"),
        ('currency = "EUR"\n[per_month]\n1 = true', "size 1 is True"),
    ],
)
def test_what_is_no_list_of_prices_is_refused(text, says):
    with pytest.raises(UsageError) as caught:
        cost.parse(text, "mine")
    assert says in str(caught.value)
    assert caught.value.hint
