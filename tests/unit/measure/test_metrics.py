"""What a lab may say of figures: a variant and a metric that there are."""

import pytest

from scalelab.errors import UnknownName, UsageError
from scalelab.measure import metrics
from scalelab.model import Claim, Lab, Prediction, Variant

VARIANTS = (Variant("a", "single", "w"), Variant("b", "single", "w"))


@pytest.mark.parametrize("kind", [Claim, Prediction])
@pytest.mark.parametrize(
    ("variant", "metric", "error"),
    [
        ("bb", "ratio", UnknownName),
        ("b", "p98_ms", UnknownName),
        ("b", "by_round", UnknownName),
        ("a", "ratio", UsageError),
    ],
)
def test_statements_that_make_no_sense(kind, variant, metric, error):
    said = {"claims" if kind is Claim else "predictions": (kind("t", variant, metric),)}
    with pytest.raises(error):
        metrics.check(Lab("t", "q", "read", VARIANTS, **said))


@pytest.mark.parametrize("metric", ["ratio", "stale_share", "p99_ms", "throughput", "operations"])
def test_statements_that_do(metric):
    metrics.check(Lab("t", "q", "read", VARIANTS, predictions=(Prediction("t", "b", metric),)))
