"""The course as a learner uses it: listed, shown, predicted, run, verified; and a new lab."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from rich.cells import cell_len

from scalelab.journal import Journal
from tests.conftest import Run, environment, leftovers

# Servers that may use a whole core have their data sooner; how fast they are is not looked at.
_SERVERS = ["-r", "local", "--cpus", "1"]
_QUICK = ["--quick", "--duration", "0.3", *_SERVERS]
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_COURSE = Path(__file__).parents[2] / "labs"

Learner = Callable[..., "pexpect.spawn[str]"]


def _lab(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / "labs" / name / "lab.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def _journal(state: Path, lab: str) -> list[dict[str, Any]]:
    found = Journal(state, print).lab(lab).get("predictions", [])
    return list(found)


@pytest.fixture
def learner(state: Path, tmp_path: Path) -> Iterator[Learner]:
    """Start `scalelab` in a terminal, to be answered; whatever still runs at the end is killed."""
    opened: list[pexpect.spawn[str]] = []

    def start(*arguments: str) -> pexpect.spawn[str]:
        settings = environment(state, TERM="xterm-256color")
        child = pexpect.spawn(
            sys.executable,
            ["-m", "scalelab", *arguments],
            env=settings,
            cwd=str(tmp_path),
            dimensions=(24, 100),
            encoding="utf-8",
            timeout=300,
        )
        opened.append(child)
        return child

    yield start
    for child in opened:
        child.close(force=True)


# --- list ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_course_fits_the_terminal(run: Run, columns: str) -> None:
    said = run("lab", "list", COLUMNS=columns).stdout
    assert max(cell_len(line) for line in said.splitlines()) <= int(columns)
    for title in ("Scaling databases", "Cloud-scale applications", "Elasticsearch"):
        assert f"\n{title}\n" in f"\n{said}"
    assert said.index("replication") < said.index("sharding") < said.index("elasticsearch")
    assert "Your own labs" not in said


def test_the_course_as_json(run: Run, tmp_path: Path) -> None:
    broken = _lab(tmp_path, "odd", "\nLAB = nonsense\n")
    _lab(tmp_path, "sound", (_COURSE / "caching" / "lab.py").read_text())
    read = json.loads(run("lab", "list", "--json").stdout)
    assert (read["schema"], read["version"]) == ("scalelab.labs", 1)
    *course, own = read["modules"]
    assert [len(module["labs"]) for module in course] == [4, 5, 4]
    assert own["title"] == "Your own labs"
    odd, sound = own["labs"]
    assert odd["state"] == "broken"
    assert odd["problem"].startswith(f"{broken}:2: ")
    assert (sound["state"], sound["problem"]) == ("ready", None)
    assert sound["question"].endswith("?")


def test_a_broken_lab_is_said_and_the_others_still_work(run: Run, tmp_path: Path) -> None:
    broken = _lab(tmp_path, "odd", "\nLAB = nonsense\n")
    said = run("lab", "list", COLUMNS="200").stdout
    assert f"{broken}:2: name 'nonsense' is not defined" in said
    assert "Caching" in said
    assert f"{broken}:2" in run("lab", "show", "odd", code=2).stderr
    assert run("lab", "show", "caching").stdout


# --- show ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_guide_with_its_picture(run: Run, columns: str) -> None:
    said = run("lab", "show", "replication", COLUMNS=columns).stdout
    assert max(cell_len(line) for line in said.splitlines()) <= int(columns)
    for section in ("Question", "When not to do this", "│ replica2 │", "▲", "Claims"):
        assert section in said
    assert "two replicas give at least 1.5x the reads" in " ".join(said.split())


def test_a_guide_where_letters_are_few(run: Run) -> None:
    said = run("lab", "show", "replication", PYTHONIOENCODING="ascii").stdout
    assert said.isascii()
    assert "| replica2 |" in said


def test_a_guide_as_json(run: Run) -> None:
    read = json.loads(run("lab", "show", "caching", "--json").stdout)
    assert (read["schema"], read["version"]) == ("scalelab.lab", 1)
    assert read["guide"] == (_COURSE / "caching" / "README.md").read_text()
    assert [node["role"] for node in read["variants"][1]["nodes"]] == ["primary", "cache"]
    assert read["claims"][0]["metric"] == "ratio"
    assert len(read["predictions"]) == 3


def test_a_lab_without_a_guide(run: Run, tmp_path: Path) -> None:
    path = _lab(tmp_path, "mine", (_COURSE / "caching" / "lab.py").read_text())
    done = run("lab", "show", "mine")
    assert "How many more reads" in done.stdout
    assert str(path.with_name("README.md")) in done.stderr


# --- run -----------------------------------------------------------------------------------------


def test_a_learner_predicts_and_sees(learner: Learner, state: Path) -> None:
    # One worker writes all keys, so every read is judged: no figure is missing by chance.
    child = learner("lab", "run", "caching", *_QUICK, "--workers", "1")
    child.expect("│ cache │")
    child.expect(r"1\. How many times the reads .* \[x\] ")
    child.sendline("plenty")
    child.expect("'plenty' is no number")
    child.expect(r"1\. ")
    child.sendline("1000x")
    child.expect(r"2\. .* \[ms\] ")
    child.sendline("")
    child.expect(r"3\. .* \[%\] ")
    child.sendline("100%")
    child.expect("reads/s")
    child.expect("predicted")
    # Not by `expect`: its `.*` takes in all that has come by then, and that is a matter of chance.
    child.expect(pexpect.EOF)
    said = " ".join(_ESCAPE.sub("", str(child.before)).split())
    ratio, stale = re.findall(r"you said (?:(?!you said).)*", said)
    assert re.match(r"you said 1,000x, measured [\d.]+x .*: too high by a factor of", ratio)
    assert re.match(r"you said 100%, measured [\d.]+%: too high by", stale)
    assert "lab show caching" in stale
    child.close()
    assert child.exitstatus == 0
    (attempt,) = _journal(state, "caching")
    assert [answer["answer"] for answer in attempt["answers"]] == [1000, 100]
    assert [answer["metric"] for answer in attempt["answers"]] == ["ratio", "stale_share"]
    assert [outcome["outcome"] for outcome in attempt["outcomes"]] == ["too high"] * 2
    assert (state / "runs" / f"{attempt['run']}.json").is_file()
    assert leftovers(state) == []


@pytest.mark.labs
def test_what_was_predicted_is_kept_before_the_run(learner: Learner, state: Path) -> None:
    child = learner("lab", "run", "sharding", "--quick", "--rounds", "5", "-r", "local")
    child.expect(r"1\. ")
    child.sendline("3")
    child.expect(r"2\. ")
    child.sendeof()  # no more answers
    child.expect("round 1/5")
    assert [len(attempt["answers"]) for attempt in _journal(state, "sharding")] == [1]
    child.sendintr()
    child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "outcomes" not in _journal(state, "sharding")[0]
    assert leftovers(state) == []


@pytest.mark.labs
def test_nobody_is_asked_where_nobody_can_answer(run: Run, state: Path) -> None:
    done = run("lab", "run", "caching", *_QUICK, input="3\n")
    assert "not a terminal" in done.stderr
    assert "How many more reads" in done.stdout
    assert "reads/s" in done.stdout
    assert "predicted" not in done.stdout
    assert not (state / "journal.json").exists()


@pytest.mark.labs
def test_no_input_asks_nothing(learner: Learner) -> None:
    child = learner("lab", "run", "caching", "--no-input", *_QUICK)
    child.expect("--no-input: predictions are not asked")
    child.expect("reads/s")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


# --- verify --------------------------------------------------------------------------------------


def _claiming(text: str) -> str:
    """The template's lab with this claim, its two variants on one node each."""
    from scalelab.cli.lab_new import _TEMPLATE

    lab = (
        (_TEMPLATE / "lab.py")
        .read_text()
        .replace('"counter.py", options={"rows": 1}', '"insert_write"')
    )
    lab = lab.replace('"counter.py", options={"rows": 64}', '"insert_write"')
    begin, end = lab.index("    claims="), lab.index("    predictions=")
    return f"{lab[:begin]}    claims=({text},),\n{lab[end:]}"


_HOLDS = 'Claim("nothing is lost", "many-rows", "error_share", high=0)'
_FAILS = 'Claim("everything is lost", "many-rows", "error_share", low=1)'
_OPEN = 'Claim("it is faster", "many-rows", "ratio", low=1.5)'
_SHORT = ["--rounds", "1", "--duration", "0.3", *_SERVERS]
_BREAKS = """
class Broken:
    summary, keys, distribution = "breaks", 10, "uniform"
    def load(self, places): raise OSError("no such table")
    def versions(self, places): return ()
    def session(self, context, options): ...

WORKLOAD = Broken()
"""


def test_a_claim_that_holds(run: Run, tmp_path: Path, state: Path) -> None:
    _lab(tmp_path, "holds", _claiming(_HOLDS))
    said = run("lab", "verify", "holds", *_SHORT)
    assert "nothing is lost" in said.stdout
    assert "confirmed" in said.stdout
    assert leftovers(state) == []


@pytest.mark.labs
def test_claims_are_judged_lab_by_lab(run: Run, tmp_path: Path, state: Path) -> None:
    for name, claim in (("holds", _HOLDS), ("fails", _FAILS), ("open", _OPEN)):
        _lab(tmp_path, name, _claiming(claim))
    broken = _lab(tmp_path, "breaks", _claiming(_HOLDS).replace('"insert_write"', '"breaks.py"'))
    broken.with_name("breaks.py").write_text(_BREAKS)

    done = run("lab", "verify", "open", *_SHORT, code=3)
    assert "open: it is faster" in done.stderr
    assert "inconclusive" in done.stdout
    done = run("lab", "verify", "breaks", "holds", *_SHORT, "--json", code=4)
    breaks, holds = json.loads(done.stdout)["labs"]
    assert "no such table" in breaks["problem"]["message"]
    assert holds["claims"][0]["outcome"] == "confirmed"
    assert (state / "runs" / f"{holds['run']}.json").is_file()
    done = run("lab", "verify", "fails", "breaks", *_SHORT, code=1)
    assert "refuted here: fails: everything is lost" in done.stderr
    assert "not run" in done.stdout
    assert leftovers(state) == []


# --- new -----------------------------------------------------------------------------------------


def test_a_new_lab_runs_at_once(run: Run, tmp_path: Path, state: Path) -> None:
    done = run("lab", "new", "votes")
    assert "labs/votes" in done.stdout
    assert "scalelab lab run votes" in done.stderr
    names = [file.name for file in sorted((tmp_path / "labs" / "votes").iterdir())]
    assert names == ["README.md", "counter.py", "lab.py"]
    assert "ready" in run("lab", "list").stdout.split("Your own labs")[1]
    shown = run("lab", "show", "votes").stdout
    assert "When not to do this" in shown
    result = json.loads(run("bench", "votes", *_QUICK, "--json", "-").stdout)
    assert [variant["name"] for variant in result["variants"]] == ["one-row", "many-rows"]
    assert all(variant["operations"] > 0 for variant in result["variants"])
    assert "there is a lab 'votes'" in run("lab", "new", "votes", code=2).stderr
    assert leftovers(state) == []


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "labs" / "votes" / "notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    assert "is there already" in run("lab", "new", "votes", code=2).stderr
    assert [file.name for file in kept.parent.iterdir()] == ["notes.txt"]
    assert [file.name for file in kept.parent.parent.iterdir()] == ["votes"]


def test_a_new_lab_elsewhere(run: Run, tmp_path: Path) -> None:
    done = run("lab", "new", "votes", "--folder", "course/labs")
    assert (tmp_path / "course" / "labs" / "votes" / "lab.py").is_file()
    assert "cd course" in done.stderr
    (tmp_path / "file").write_text("")
    assert "cannot be written" in run("lab", "new", "votes", "--folder", "file", code=4).stderr


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lab", "show", "cachng"], "did you mean 'caching'?"),
        (["lab", "run", "cachng"], "did you mean 'caching'?"),
        (["lab", "verify", "caching", "shardng"], "did you mean 'sharding'?"),
        (["lab", "show", "hybrid"], "there is no lab 'hybrid'"),
        (["lab", "run", "caching", "--rounds", "0"], "rounds"),
        (["lab", "run", "caching", "--duration", "0"], "--duration"),
        (["lab", "run", "caching", "--cpus", "lots"], "--cpus"),
        (["lab", "new", "../x"], "cannot be a lab's name"),
        (["lab", "new", "My Lab"], "cannot be a lab's name"),
        (["lab", "new", ""], "cannot be a lab's name"),
        (["lab", "new", "x" * 31], "cannot be a lab's name"),
        (["lab", "new", "caching"], "there is a lab 'caching'"),
        (["lab", "lst"], "'list'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_input(run: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = run(*arguments, code=2)
    assert says in done.stderr
    assert done.stdout == ""
    assert done.stderr.strip().splitlines()[-1].startswith("do: ")
    assert not (tmp_path / "labs").exists()


def test_a_workload_file_with_an_error(run: Run, tmp_path: Path, state: Path) -> None:
    run("lab", "new", "votes")
    file = tmp_path / "labs" / "votes" / "counter.py"
    file.write_text(file.read_text().replace("WORKLOAD = Counter()", "WORKLOAD = Countr()"))
    line = file.read_text().splitlines().index("WORKLOAD = Countr()") + 1
    done = run("bench", "votes", *_QUICK, code=2)
    assert f"{file}:{line}: name 'Countr' is not defined" in done.stderr
    assert not (state / "clusters").exists()  # said before anything starts


def test_settings_reach_the_commands_of_a_group(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "scalelab.toml"
    settings.write_text('[lab.run]\ncpus = "lots"\n')
    assert "not 'lots'" in run("lab", "run", "caching", code=2).stderr
    settings.write_text('cpus = "plenty"\n')
    assert "not 'plenty'" in run("lab", "run", "caching", code=2).stderr
    for text, says in (
        ("[lab.rum]\n", "did you mean 'run'?"),
        ("[lab.run]\nroundz = 3\n", "did you mean 'rounds'?"),
        ("[labs]\n", "did you mean 'lab'?"),
        ("lab = 3\n", "no key of scalelab.toml 'lab'"),
        ("[lab]\nrounds = 3\n", "no table of [lab]"),
        ("[lab]\nrun = 3\n", "[lab.run]"),
    ):
        settings.write_text(text)
        done = run("lab", "list", code=2)
        assert says in done.stderr
        assert "Traceback" not in done.stderr
