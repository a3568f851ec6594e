"""The syncer on real servers: killed, doubled, rebuilt under writes; both sides end up alike."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scalelab import sql
from scalelab.model import Place
from scalelab.syncing import compare
from scalelab.syncing.config import server
from scalelab.syncing.index import Index
from tests.real import wheels

pytestmark = pytest.mark.search

_PATIENCE_S = 60
_INDEX = "synced_items"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("primary")
    with wheels.postgres(folder, "wal_level=logical", "fsync=off") as server:
        yield server.place


class Pair:
    """Both sides, and syncers between them."""

    def __init__(
        self, folder: Path, places: tuple[Place, Place], database: psycopg.Connection, index: Index
    ) -> None:
        self.folder, self.database, self.index = folder, database, index
        self._places = places
        self.running: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []

    def configure(self, strategy: str, **settings: object) -> Path:
        source, target = ({"host": p.client.host, "port": p.client.port} for p in self._places)
        port = wheels.free_port()
        self.ports.append(port)
        said = {
            "strategy": strategy,
            "postgres": {**source, "user": "lab"},
            "elasticsearch": {**target, "user": "lab"},
            "index": _INDEX,
            "listen": ["127.0.0.1", port],
            "passwords": "passwords.json",
            **settings,
        }
        path = self.folder / f"{strategy}-{port}.json"
        path.write_text(json.dumps(said))
        secrets = self.folder / "passwords.json"
        passwords = (place.password for place in self._places)
        secrets.write_text(
            json.dumps(dict(zip(("postgres", "elasticsearch"), passwords, strict=True)))
        )
        secrets.chmod(0o600)
        return path

    def start(self, config: Path) -> None:
        self.running.append(subprocess.Popen([sys.executable, "-m", "scalelab.syncing", config]))
        until(lambda: self.status().get("ready"))

    def kill(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self.running.clear()

    def run(self, config: Path, what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scalelab.syncing", str(config), what]
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)

    def status(self) -> Mapping[str, Any]:
        """What the newest syncer says."""
        url = f"http://127.0.0.1:{self.ports[-1]}/"
        try:
            with urllib.request.urlopen(url) as answer:
                found: Mapping[str, Any] = json.load(answer)
        except urllib.error.HTTPError as answer:  # 503: not ready yet
            return json.load(answer)  # type: ignore[no-any-return]
        except OSError:
            return {}
        return found

    def save(self, *ids: int) -> None:
        self.database.execute(
            "INSERT INTO item (id, title, body, price)"
            " SELECT n, 'title ' || random(), repeat('body', 5), n FROM unnest(%s::bigint[]) n"
            " ON CONFLICT (id) DO UPDATE SET title = excluded.title",
            (list(ids),),
        )

    def delete(self, *ids: int) -> None:
        self.database.execute("DELETE FROM item WHERE id = ANY (%s)", (list(ids),))

    def differ(self) -> list[int]:
        return compare.compare(self.database, self.index, _INDEX).divergent

    def alike(self) -> None:
        until(lambda: not self.differ())


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def pair(primary: Place, search_places: Mapping[str, Place], tmp_path: Path) -> Iterator[Pair]:
    search = search_places["search"]
    with sql.connect(primary) as database, Index(server(search)) as index:
        database.autocommit = True
        pair = Pair(tmp_path, (primary, search), database, index)
        try:
            yield pair
        finally:
            pair.kill()
            database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            until(lambda: not _slots(database, drop=True))
            database.execute("DROP PUBLICATION IF EXISTS scalelab_items")
            if name := index.behind(_INDEX):
                index.drop(name)


def _slots(database: psycopg.Connection, *, drop: bool = False) -> list[str]:
    names = [name for (name,) in database.execute("SELECT slot_name FROM pg_replication_slots")]
    for name in names if drop else ():
        with contextlib.suppress(psycopg.errors.ObjectInUse):  # until a killed client is noticed
            database.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    return names


@pytest.mark.parametrize("strategy", ["outbox", "cdc"])
def test_what_a_killed_syncer_left_comes_later_deletes_included(pair: Pair, strategy: str) -> None:
    config = pair.configure(strategy)
    pair.start(config)
    pair.save(*range(500))
    for number in range(30):
        pair.save(number, number + 100)
        pair.delete(number + 200)
        if number == 15:
            pair.kill()  # whatever it had in its hands
    pair.delete(*range(50, 60))
    pair.save(55)  # a second life
    assert pair.differ()
    pair.start(config)
    pair.alike()
    assert pair.status()["rejected"] == 0
    assert pair.run(config, "--compare").returncode == 0


def test_by_timestamp_deletes_never_arrive_and_neither_does_a_late_commit(
    pair: Pair, primary: Place
) -> None:
    config = pair.configure("batch")
    pair.start(config)
    pair.save(*range(20))
    pair.alike()
    with sql.connect(primary) as late:
        late.execute("UPDATE item SET price = 0 WHERE id = 1")
        pair.save(2)
        until(lambda: pair.status()["applied"] >= 21)
    pair.delete(3)
    pair.save(4)  # after both
    until(lambda: pair.status()["applied"] >= 22)
    assert pair.differ() == [1, 3]
    done = pair.run(config, "--compare")
    assert done.returncode == 1
    assert json.loads(done.stdout)["divergent"] == [1, 3]
    assert json.loads(pair.run(config, "--repair").stdout) == {"repaired": 2}
    assert pair.differ() == []


def test_two_syncers_share_an_outbox(pair: Pair) -> None:
    for _ in range(2):
        pair.start(pair.configure("outbox", batch=7))
    for start in range(0, 300, 20):
        pair.save(*range(start, start + 20))
        pair.delete(*range(start, start + 5))
        pair.save(*range(0, start, 10))
    until(lambda: pair.database.execute("SELECT count(*) FROM outbox").fetchone() == (0,))
    pair.alike()


def test_a_lost_slot_is_made_again_and_what_was_missed_is_repaired(pair: Pair) -> None:
    config = pair.configure("cdc")
    pair.start(config)
    pair.save(*range(30))
    pair.alike()
    pair.kill()
    until(lambda: not _slots(pair.database, drop=True))
    pair.save(1, 2)
    pair.delete(3)
    pair.start(config)
    pair.alike()
    assert _slots(pair.database) == ["scalelab_items"]


def test_a_long_value_that_did_not_change_arrives_all_the_same(pair: Pair) -> None:
    pair.start(pair.configure("cdc"))
    pair.database.execute(
        "INSERT INTO item (id, title, body, price)"
        " SELECT 1, 'a', string_agg(md5(n::text), ''), 1 FROM generate_series(1, 1000) n"
    )
    pair.database.execute("UPDATE item SET title = 'b'")
    pair.alike()


@pytest.mark.parametrize("strategy", ["outbox", "cdc", "batch"])
def test_a_rebuild_under_writes_loses_nothing_and_searches_never_fail(
    pair: Pair, strategy: str
) -> None:
    config = pair.configure(strategy)
    pair.start(config)
    pair.save(*range(400))
    pair.alike()
    before = pair.index.behind(_INDEX)
    command = [sys.executable, "-m", "scalelab.syncing", str(config), "--rebuild"]
    rebuild = subprocess.Popen(command, stdout=subprocess.PIPE)
    number = 0
    while rebuild.poll() is None:
        number += 1
        pair.save(*{number % 400, number * 7 % 400})
        found = pair.index.ask("GET", f"/{_INDEX}/_search?size=0&track_total_hits=true")
        assert found["hits"]["total"]["value"] == 400
    assert rebuild.wait() == 0
    assert rebuild.stdout is not None
    with rebuild.stdout as said:
        assert json.load(said) == {"index": pair.index.behind(_INDEX)}
    assert pair.index.behind(_INDEX) != before
    pair.alike()
    names = pair.database.execute("SELECT name FROM sync_index").fetchall()
    assert names == [(pair.index.behind(_INDEX),)]


def test_a_row_the_index_never_takes_is_listed_and_stops_no_other(pair: Pair) -> None:
    pair.start(pair.configure("outbox"))
    pair.database.execute("INSERT INTO item (id, title, body, price) VALUES (1, '', '', 'NaN')")
    pair.save(2)
    until(lambda: pair.status()["rejected"])
    until(lambda: pair.differ() == [1])
    ((id, reason),) = pair.database.execute("SELECT id, reason FROM sync_rejected").fetchall()
    assert id == 1
    assert "price" in reason or "parse" in reason


def test_a_table_that_is_followed_cannot_be_truncated(pair: Pair) -> None:
    pair.start(pair.configure("outbox"))
    with pytest.raises(psycopg.errors.RaiseException, match="would not reach the index"):
        pair.database.execute("TRUNCATE item")


def test_servers_that_are_gone_are_waited_for(pair: Pair) -> None:
    nowhere = {"host": "127.0.0.1", "port": wheels.free_port(), "user": "lab"}
    config = pair.configure("outbox", elasticsearch=nowhere)
    pair.running.append(subprocess.Popen([sys.executable, "-m", "scalelab.syncing", config]))
    until(lambda: "Elasticsearch is gone" in pair.status().get("problem", ""))
    assert pair.running[0].poll() is None
    pair.running[0].terminate()
    assert pair.running[0].wait(10) == 0


def test_a_server_that_is_gone_is_said_in_a_line(pair: Pair) -> None:
    nowhere = {"host": "127.0.0.1", "port": wheels.free_port(), "user": "lab"}
    for side in ("postgres", "elasticsearch"):
        done = pair.run(pair.configure("outbox", **{side: nowhere}), "--compare")
        assert done.returncode in (1, 4)
        assert len(done.stderr.splitlines()) == 2
        assert "is gone" in done.stderr


def test_what_is_wrong_with_its_configuration_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scalelab.syncing", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
