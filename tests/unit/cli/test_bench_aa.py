"""--aa and --workers as they are typed: what is asked for, refused, and how a run ends."""

import dataclasses
import sys

import pytest

from scalelab import catalog
from scalelab.cli import aa, app, output, running
from scalelab.errors import UsageError
from scalelab.load.pool import Pool
from scalelab.model import Comparison
from tests import made_up


def against_itself(ratio, low, high, verdict, name="database"):
    first = made_up.summary(name, 1000.0, 1.2)
    compared = Comparison(ratio, low, high, 0.2, verdict)
    again = made_up.summary(f"{name} again", 1000.0 * ratio, 1.2, compared)
    return dataclasses.replace(
        made_up.caching(),
        lab="caching-aa",
        aa=True,
        order=((first.name, again.name),) * 5,
        summaries=(first, again),
    )


SILENT = against_itself(1.01, 0.98, 1.04, "same")


@pytest.fixture
def scalelab(monkeypatch, capsys, tmp_path):
    """Run ``scalelab bench caching`` with these options; the run itself gives ``result``."""
    plans = []
    monkeypatch.setenv("SCALELAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(app, "_second_interrupt_kills", lambda: None)

    def run(*options, result=SILENT):
        monkeypatch.setattr(running, "run", lambda plan: plans.append(plan) or result)
        monkeypatch.setattr(sys, "argv", ["scalelab", "bench", "caching", *options])
        # Consoles keep the stream they were made with.
        output.stdout.cache_clear()
        output.stderr.cache_clear()
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code, *capsys.readouterr(), plans

    yield run
    output.stdout.cache_clear()
    output.stderr.cache_clear()


@pytest.mark.parametrize(
    ("options", "name"), [((), "database"), (("--variants", "cache-aside"), "cache-aside")]
)
def test_a_variant_against_itself(scalelab, options, name):
    code, out, _, (plan,) = scalelab("--aa", *options)
    assert code == 0
    assert [variant.name for variant in plan.variants] == [name, f"{name} again"]
    assert plan.variants[0] == dataclasses.replace(plan.variants[1], name=name)
    assert plan.lab.variants == plan.variants
    assert (plan.lab.claims, plan.lab.predictions) == ((), ())
    assert (plan.name, plan.aa) == ("caching-aa", True)
    assert "noise floor: 1.01x [0.98, 1.04]" in out


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (against_itself(1.2, 0.8, 1.5, "inconclusive"), 0),
        (against_itself(1.2, None, None, ""), 0),
        (against_itself(1.2, 1.1, 1.3, "faster"), 1),
        (against_itself(0.9, 0.8, 0.95, "slower"), 1),
    ],
)
def test_silent_is_0_and_a_difference_1(scalelab, result, code):
    ended, out, err, _ = scalelab("--aa", result=result)
    assert ended == code
    assert "database again" in out
    assert ("error: database differs from itself" in err) == (code == 1)


def test_a_limit_may_speak_of_it(scalelab):
    code, _, err, _ = scalelab("--aa", "--fail-if", "ratio(database again)>1.005")
    assert code == 1
    assert "database again has ratio 1.01" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--aa", "--sweep", "clients=1,2,4,8"), "--sweep and --aa exclude each other"),
        (("--aa", "--variants", "database,cache-aside"), "one variant against itself, not 2"),
        (("--aa", "--variants", "databse"), "did you mean 'database'"),
        (("--workers", "0"), "--workers takes auto, a number from 1"),
        (("--workers", "many"), "not 'many'"),
        (("--workers", "1001"), "not '1001'"),
        (("--workers", "٣"), "not '٣'"),
    ],
)
def test_what_makes_no_sense(scalelab, options, said):
    code, out, err, plans = scalelab(*options)
    assert (code, out, plans) == (2, "", [])
    assert said in " ".join(err.split())


def test_workers_are_one_and_more_where_needed_unless_a_number_is_given(scalelab, monkeypatch):
    monkeypatch.setattr("scalelab.measure.host.cpus", lambda: 4)
    *_, plans = scalelab()
    assert (plans[0].workers, plans[0].load.workers) == (None, 1)
    assert _grows(running.pool(plans[0])) == (1, 3)
    monkeypatch.setenv("SCALELAB_WORKERS", "2")
    *_, plans = scalelab()
    assert (plans[1].workers, plans[1].load.workers) == (2, 2)
    assert _grows(running.pool(plans[1])) == (2, 0)


def _grows(pool: Pool) -> tuple[int, int]:
    """How many workers a pool begins with, and how many more it may have. Starts none."""
    begun: list[int] = []

    def start(workers: int) -> None:
        begun.append(workers)
        pool._executors += [None] * workers

    pool._start = start
    pool.__enter__()
    while pool.grow():
        pass
    pool._executors.clear()
    pool.kill()
    return begun[0], sum(begun[1:])


def test_the_variants_share_one_cluster(scalelab, monkeypatch):
    *_, (plan,) = scalelab("--aa")
    borrowed = []

    class Clusters:
        def borrowed(self, name, *_):
            borrowed.append(name)
            return _Borrowed(name)

    class _Borrowed:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(running.config, "clusters", Clusters)
    monkeypatch.setattr(running.config, "choose_runtime", lambda *_: ("local", "so"))
    with running.clusters(plan) as clusters:
        assert list(clusters) == ["database", "database again"]
        assert clusters["database"] is clusters["database again"]
    assert borrowed == ["bench-caching-aa-database"]


def test_it_is_no_run_of_the_lab():
    asked = running.Plan(
        "caching", catalog.lab("caching"), catalog.lab("caching").variants, None, 5, False, "", None
    )
    assert aa.plan(asked).lab.title == "Caching: database against itself"
    with pytest.raises(UsageError):
        aa.only(["a", "b"])
    aa.only(["a"])
    aa.only([])
