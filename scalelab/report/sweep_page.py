"""A sweep as one HTML file, in the looks of a run's page. Pure."""

from __future__ import annotations

from scalelab.report import page, plots, sweep_table, words
from scalelab.report.sweep import Sweep


def render(sweep: Sweep) -> str:
    """The page of a sweep."""
    scaled = [_scaled(sweep, series, name) for series, name in enumerate(sweep.variants)]
    return page.template("sweep.html.j2").render(
        sweep=sweep,
        words=words,
        table=sweep_table,
        fact=page.fact,
        ratio=page.ratio,
        figures={name: sweep.of(name) for name in sweep.variants},
        plots=[
            (plots.scaling(scaled, width), size)
            for width, size in ((plots.WIDE, "wide"), (plots.NARROW, "narrow"))
        ],
    )


def _scaled(sweep: Sweep, series: int, name: str) -> plots.Scaled:
    laws = sweep.laws.get(name)
    first = max(sweep.unit, sweep.points[0].value)
    curves, knee, label = [], None, ""
    if laws:
        for law in (laws.universal, laws.amdahl):
            steps = [first + (sweep.last - first) * step / 96 for step in range(97)]
            curves.append([(value, sweep.throughput(law, value)) for value in steps])
        knee = sweep.knee(laws.universal)
        if knee is not None:
            sure = sweep.knee_is_sure(laws.universal)
            label = f"knee {sweep_table.size(knee)}{'' if sure else '?'}"
    elif name not in sweep.varied:
        mean = sweep.mean(name)
        curves = [[(first, mean), (sweep.last, mean)]]
    return plots.Scaled(
        series,
        [
            plots.Measured(
                value,
                each.throughput,
                # Without an interval the mark stands alone.
                each.throughput if each.throughput_low is None else max(0.0, each.throughput_low),
                each.throughput if each.throughput_high is None else each.throughput_high,
            )
            for value, each in sweep.of(name).items()
        ],
        curves,
        knee if knee is not None and first <= knee <= sweep.last else None,
        label,
    )
