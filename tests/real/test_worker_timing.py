"""A worker's slice by the real clock: how near it comes to its times, as the machine allows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scalelab.load.worker import SliceTask, run_slice
from scalelab.measure.histogram import Histogram
from scalelab.model import Load, Places
from scalelab.workloads import point_read_write
from tests.real import wheels
from tests.real.flow import probing

pytestmark = pytest.mark.timing

_LOAD = Load(clients=8, rate=None, duration_s=1.0, warmup_s=0.2, seed=1)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with wheels.postgres(tmp_path_factory.mktemp("postgres")) as server:
        found = {"postgres": server.place}
        point_read_write.WORKLOAD.load(found)
        yield found


def test_a_slice_takes_its_time_and_clients_are_throughput_times_response(places: Places) -> None:
    task = SliceTask(places, "point_read_write", {"write_share": 0}, _LOAD, 0)
    with probing() as probe:
        report = run_slice(task)
    # It says itself how late its loop came; what it does not see, the probe does.
    late_s = Histogram.decode(report.send_lag).max / 1e6 + probe.worst_s
    assert report.elapsed_s == pytest.approx(_LOAD.duration_s, abs=late_s)
    # Little's law. At either end an operation a client is cut.
    answered = Histogram.decode(report.histograms["read"])
    cut = 2 * (answered.max / 1e6 + late_s) / report.elapsed_s
    clients = report.counts["read"] / report.elapsed_s * answered.mean / 1e6
    assert clients == pytest.approx(_LOAD.clients, rel=cut)
    assert report.cpu_share <= 1 + late_s
