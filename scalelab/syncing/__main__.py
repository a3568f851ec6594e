"""``python -m scalelab.syncing CONFIG.json [--rebuild | --repair | --compare]``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

import psycopg

from scalelab.errors import EnvironmentLacks, RequestFailed, ScalelabError
from scalelab.syncing import compare, rebuild, source
from scalelab.syncing.config import Config, read
from scalelab.syncing.index import Index
from scalelab.syncing.loop import Syncer
from scalelab.syncing.status import Status, serve

_LOOK = "see whether it runs, and its log"


def main() -> int:
    """Follow the table until SIGTERM, or do what was asked for once; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scalelab.syncing", description=__doc__)
    parser.add_argument("config", type=Path, help="the configuration, a JSON file")
    once = parser.add_mutually_exclusive_group()
    once.add_argument("--rebuild", action="store_true", help="make the index anew, no downtime")
    once.add_argument("--repair", action="store_true", help="make the index as the table is")
    once.add_argument("--compare", action="store_true", help="look at both sides; 1 if they differ")
    asked = parser.parse_args()
    try:
        config = read(asked.config)
        if asked.rebuild or asked.repair or asked.compare:
            return _once(config, asked)
        return _follow(config)
    except ScalelabError as error:
        what = (
            f"{error.kind}: {error.message}" if isinstance(error, RequestFailed) else error.message
        )
        print(f"error: {what}\ndo: {error.hint or _LOOK}", file=sys.stderr)
        return error.exit_code
    except psycopg.Error as error:
        print(
            f"error: PostgreSQL is gone: {str(error).splitlines()[0]}\ndo: {_LOOK}", file=sys.stderr
        )
        return EnvironmentLacks.exit_code


def _follow(config: Config) -> int:
    status = Status(config.strategy)
    syncer = Syncer(config, status)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: syncer.stop())
    server = serve(status, *config.listen)
    try:
        syncer.run()
    finally:
        server.server_close()
    return 0


def _once(config: Config, asked: argparse.Namespace) -> int:
    with source.connect(config.postgres) as connection, Index(config.elasticsearch) as index:
        if asked.rebuild:
            name = rebuild.rebuild(connection, index, config.index)
            if config.strategy == "dual":
                # Nobody wrote the application's own changes to both.
                compare.repair(connection, index, config.index)
            print(json.dumps({"index": name}))
            return 0
        if asked.repair:
            print(json.dumps({"repaired": compare.repair(connection, index, config.index)}))
            return 0
        found = compare.compare(connection, index, config.index)
    print(
        json.dumps(
            {
                "rows": found.rows,
                "documents": found.documents,
                "checksums": found.checksums,
                "divergent": found.divergent,
            }
        )
    )
    return 1 if found.divergent else 0


if __name__ == "__main__":
    sys.exit(main())
