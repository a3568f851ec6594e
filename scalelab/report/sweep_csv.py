"""A sweep as CSV: a row for each value and variant, a run's columns after its own. Pure."""

from __future__ import annotations

from scalelab.report import table_csv
from scalelab.report.sweep import Sweep

_COLUMNS = ("parameter", "value", "clients", "varied", "topology", "nodes")


def render(sweep: Sweep) -> str:
    """The table with its header; lines end as RFC 4180 wants (CR LF)."""
    rows: list[list[object]] = [[*_COLUMNS, *table_csv.header(sweep.first)]]
    for point in sweep.points:
        for name, row in zip(sweep.variants, table_csv.rows(point.run), strict=True):
            shape = point.shapes[name]
            own = (sweep.parameter, f"{point.value:.12g}", point.run.load.clients)
            varied = "yes" if name in sweep.varied else "no"
            rows.append([*own, varied, shape.topology, shape.nodes, *row])
    return table_csv.written(rows)
