"""What throughput costs, by a list of what machines cost. Pure.

A list is a TOML file: ``currency``, and a table ``[per_month]`` of prices by size. A machine of
size 1 is a node with the run's own budget (``Variant.scale``).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scalelab.errors import UsageError

COST = "cost_per_1000"
"""The name of the figure: a month's price of what serves 1,000 operations a second."""

_EXAMPLE = "a size and its price a month, such as: 2 = 80"


@dataclass(frozen=True)
class Prices:
    """What machines cost.

    Parameters
    ----------
    per_month : in ``currency``, by size.
    source : where they come from, in a few words.
    """

    currency: str
    per_month: Mapping[float, float]
    source: str

    def per_thousand(self, sizes: Collection[float], throughput: float) -> float | None:
        """A month's price of the machines, for each 1,000 operations a second they serve.

        Parameters
        ----------
        sizes : of the machines, one a node.
        throughput : operations a second of all of them together.

        Returns
        -------
        None where a size has no price, or nothing was served.
        """
        if throughput <= 0 or any(size not in self.per_month for size in sizes):
            return None
        return 1000 * sum(self.per_month[size] for size in sizes) / throughput


def parse(text: str, source: str) -> Prices:
    """The prices in a file's text.

    Parameters
    ----------
    text : its content.
    source : what to call it, in an error and in a report.

    Raises
    ------
    UsageError : it is no list of prices; the message says where.
    """
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source}: {error}", "mend that line") from None
    if unknown := [key for key in read if key not in ("currency", "per_month")]:
        raise UsageError(
            f"{source}: {unknown[0]!r} is unknown", "it has currency and a table [per_month]"
        )
    currency, listed = read.get("currency"), read.get("per_month")
    if not (isinstance(currency, str) and currency.isprintable() and 0 < len(currency) <= 12):
        raise UsageError(f"{source}: currency is no short text", 'such as: currency = "EUR"')
    if not (isinstance(listed, dict) and listed):
        raise UsageError(f"{source}: there is no price in [per_month]", _EXAMPLE)
    prices = dict(_entry(size, price, source) for size, price in listed.items())
    return Prices(currency, prices, source)


def _entry(key: str, price: object, source: str) -> tuple[float, float]:
    if isinstance(price, dict):  # to TOML, 0.5 = 20 is a table 0 with a 5 inside
        raise UsageError(
            f"{source}: a size with a point takes quotation marks", 'such as: "0.5" = 20'
        )
    try:
        size = float(key)
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise UsageError(f"{source}: {key!r} is no size of a machine", _EXAMPLE)
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
        raise UsageError(f"{source}: the price of size {key} is {price!r}", _EXAMPLE)
    return size, float(price)
