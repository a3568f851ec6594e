"""How often an A/A run finds a difference, which there is none: the false alarms of the tool.

Run it from the repository's root: ``python -m benchmarks.aa [--runs N]``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks import pairs
from benchmarks.pairs import Row

_RUNS = 20
_TARGET = 0.1
_SCALELAB = [sys.executable, "-m", "scalelab"]
_RUN = ["bench", "caching", "--aa", "-r", "local", "--rounds", "5", "--duration", "1"]


def rows(runs: int = _RUNS) -> Iterator[Row]:
    """One row: of so many A/A runs of one database, each with a seed of its own, those that differ.

    At 5% a run, 20 runs have more than two in 8% of all cases.
    """
    with tempfile.TemporaryDirectory(prefix="scalelab-bench-") as state:
        environment = {**os.environ, "SCALELAB_STATE": state}
        try:
            found = sum(_differs(seed, environment) for seed in range(runs))
        finally:
            down = [*_SCALELAB, "down", "--all"]
            subprocess.run(down, env=environment, check=True, stdout=subprocess.DEVNULL)
    name = "A/A runs that find a difference / all"
    ratio = found / runs
    yield pairs.row(name, found, runs, "runs", ratio, f"<= {_TARGET:g}", ratio <= _TARGET)


def _differs(seed: int, environment: dict[str, str]) -> bool:
    done = subprocess.run(
        [*_SCALELAB, *_RUN, "--seed", str(seed)], env=environment, capture_output=True, text=True
    )
    # 1 is what any failed check ends with; only this one is a finding.
    if done.returncode == 1 and "differs from itself" in done.stderr:
        return True
    if done.returncode != 0:
        raise RuntimeError(f"run {seed} failed ({done.returncode}): {done.stderr.strip()}")
    return False


def main() -> int:
    """Print the row; 1 when it misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS)
    ok = True
    for row in rows(parser.parse_args().runs):
        print(f"{row['name']}: {row['ours']:g} of {row['peer']:g} (target {row['target']})")
        ok = ok and bool(row["ok"])
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
