"""The seams: what a service, a runtime, a connection and a workload must offer."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from scalelab.model import (
    ActiveFault,
    Address,
    Audit,
    Budget,
    FaultOption,
    Handle,
    Image,
    Launch,
    Load,
    Node,
    NodeState,
    Place,
    Places,
    Reading,
    Topology,
)

Progress = Callable[[str, int, int], None]
"""Told what is being fetched, how many bytes of it are here, and how many it has in all."""


class Service(Protocol):
    """A kind of server. One file in ``scalelab/services``, whose ``SERVICE`` is an instance."""

    image: Image
    processes: tuple[str, ...]
    """Names of the executables it runs as, to know a stray one by."""
    stop_signal: str
    """The signal that makes it finish cleanly and soon ("SIGINT")."""
    elects: bool
    """Whether its nodes choose by themselves, at any time, who of them leads.

    One of them that ends while it starts is started again.
    """

    def require(self, nodes: int, budget: Budget, progress: Progress) -> None:
        """See to it that so many nodes can run as processes here; fetches what pip does not bring.

        Raises
        ------
        EnvironmentLacks : they cannot.
        """

    def binaries(self) -> str:
        """The folders of the server's binaries on this machine, as in PATH; fetches nothing.

        Raises
        ------
        EnvironmentLacks : they are not installed.
        """

    def version(self) -> str:
        """The version of the pip-installed server, such as "18.6"."""

    def launch(self, place: Place, peers: Places) -> Launch:
        """How to boot the node at ``place``. Pure: no I/O."""

    def ready(self, place: Place, peers: Places) -> bool:
        """Whether a real client query works (and a replica streams); never raises for "not yet"."""

    def received(self, place: Place) -> int | None:
        """Bytes of its leader's log a follower has; None of a leader, or where none answers."""

    def promote(self, place: Place, followers: Collection[str]) -> None:
        """Make a follower lead, as its files have it by now, and ready for these followers.

        A leader stays one.

        Raises
        ------
        CheckFailed : it does not answer, or refuses.
        """

    def reload(self, place: Place) -> None:
        """Have a running server read its files again; nothing where it does not run."""

    def crash(self, place: Place) -> None:
        """End the server itself by SIGKILL, not what watches over it on the node.

        Raises
        ------
        UsageError : nobody but the node's runtime can.
        CheckFailed : it does not answer.
        """

    def health(self, node: Node) -> str:
        """A shell test that succeeds when the node serves, run beside it by Compose.

        The server is on its image's port of 127.0.0.1, the password in ``SCALELAB_PASSWORD``.
        """

    def url(self, place: Place, *, secret: bool = False) -> str:
        """The connection string, with the password only when ``secret``."""

    def inspect(self, place: Place, peers: Places) -> Mapping[str, str | int | float]:
        """Facts only the servers know: of a replica ``replication``, ``lag_bytes``, ``lag_ms``.

        Of a node whose service ``elects``: ``role``, and of a replica whom it ``follows`` and,
        where commits wait for one, whether it is ``synchronous``. Empty where the node does not
        answer; never raises for that.
        """

    def exchange(self, place: Place, size: int, times: int, patience_s: float) -> Sequence[float]:
        """How long real queries take on a session of their own; touches no data.

        Parameters
        ----------
        size : bytes of each answer.
        times : how many queries, one after the other.
        patience_s : seconds after which the rest is given up.

        Returns
        -------
        The seconds each answered query took; fewer than ``times`` where answers stayed out. Never
        raises for that.
        """

    def propagate(self, place: Place, peers: Places, size: int, patience_s: float) -> float | None:
        """How long a change of ``size`` bytes takes from the leader of ``place`` to it and back.

        Only for a node that follows another; touches no data.

        Returns
        -------
        Seconds until the leader knows that it has arrived, None when it does not in time.
        """

    def spill(self, place: Place, patience_s: float) -> tuple[float | None, str]:
        """Have the server write to its disk; changes no data.

        Parameters
        ----------
        patience_s : seconds after which the answer is given up.

        Returns
        -------
        The seconds it took, or None and the server's words; "" where it does not answer.
        """

    def upstream(self, place: Place) -> Address | None:
        """The address a follower copies from just now; None where it does not, or of a leader."""

    def client(self, place: Place) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The service's own interactive client: its arguments and its environment."""


class Runtime(Protocol):
    """What runs nodes. Everything it makes carries a label, by which ``remove`` finds it again."""

    name: str

    def check(self, topology: Topology, budget: Budget) -> None:
        """Raise EnvironmentLacks where this topology, with this budget a node, cannot run here."""

    def reserve(
        self, cluster: str, topology: Topology, budget: Budget, password: str, ports: Sequence[int]
    ) -> Places:
        """The places of a topology before anything starts.

        Parameters
        ----------
        ports : one a node, then one for each that has a control address.
        """

    def begin(self, cluster: str) -> None:
        """Make what all nodes share (folders, a network)."""

    def start(self, place: Place, launch: Launch) -> Handle:
        """Start the node (preparing it first if it never was) and return at once.

        It boots without a CPU limit; :meth:`limit` puts one on.
        """

    def configure(self, place: Place, launch: Launch) -> None:
        """Put the launch's files in place; a server reads them when it starts or reloads."""

    def limit(self, place: Place) -> bool:
        """Enforce the place's budget from now on; False where that cannot be had."""

    def stop(self, place: Place, handle: Handle | None, *, kill: bool = False) -> None:
        """End the node, data and port kept; returns when it has ended."""

    def pause(self, place: Place, handle: Handle) -> None:
        """Freeze every process of the node, as it is; returns when all are."""

    def resume(self, place: Place, handle: Handle) -> None:
        """Let a frozen node go on; harmless for any other."""

    def fill(self, place: Place) -> None:
        """Leave no space on the node's own disk (``Budget.disk``), and nowhere else."""

    def free(self, place: Place) -> None:
        """Give the space back that ``fill`` took; harmless where it took none."""

    def space(self, place: Place) -> int:
        """Bytes left on the node's own disk."""

    def host_address(self, cluster: str) -> str:
        """The address under which nodes reach this machine.

        Raises
        ------
        EnvironmentLacks : they cannot.
        """

    def state(self, place: Place, handle: Handle | None) -> NodeState:
        """What the node is doing. Read-only, and cheap: who waits for a node asks all the time."""

    def memory(self, place: Place, handle: Handle | None) -> int | None:
        """Bytes in use by a node; None when it does not run or nobody can tell. Read-only."""

    def logs(self, place: Place, lines: int, *, follow: bool = False) -> Iterator[str]:
        """The last lines of the node's log, then (``follow``) each new one."""

    def client(self, place: Place) -> tuple[list[str], dict[str, str]]:
        """Command and environment that open the node's own client here."""

    def remove(self, cluster: str) -> None:
        """Remove everything that carries this cluster's label; nothing left is not an error."""

    def strays(self) -> set[str]:
        """Names of all clusters of which anything labelled exists."""


# --- faults ----------------------------------------------------------------------------------


class Scene(Protocol):
    """What a fault may do to a running cluster, and what it may measure there."""

    def stop(self, node: str, *, kill: bool = False) -> None:
        """End a node, data and port kept."""

    def crash(self, node: str) -> None:
        """End a node's server by SIGKILL, not what watches over it."""

    def start(self, node: str) -> None:
        """Start a node that does not run and wait until it serves; harmless for any other."""

    def pause(self, node: str) -> None:
        """Freeze a node."""

    def resume(self, node: str) -> None:
        """Let a frozen node go on; harmless for any other."""

    def fill(self, node: str) -> None:
        """Leave no space on a node's own disk."""

    def free(self, node: str) -> None:
        """Give the space back and wait until the node serves; harmless when none was taken."""

    def impair(self, link: str) -> None:
        """Send a link through a relay that does what all faults of the link ask for."""

    def relieve(self, link: str, fault: str) -> None:
        """Lift a fault (by its id) from a link; after its last one the link is direct again."""

    def round_trip(self, target: str, times: int, patience_s: float) -> Reading:
        """The median time a question to a node, or over a link, and its answer take."""

    def throughput(self, link: str, size: int, patience_s: float) -> Reading:
        """How many bytes a second go over a link, by one transfer of ``size`` bytes."""

    def write(self, node: str, patience_s: float) -> Reading:
        """How long a write to a node's own disk takes its server, and what is left there."""


class Fault(Protocol):
    """Something done to a node or a link. One file in ``scalelab/faults``; ``FAULT`` is one."""

    summary: str
    inverse: str
    """What undoes it, in a word or two."""
    on_link: bool
    options: tuple[FaultOption, ...]

    def check(self, options: Mapping[str, float]) -> None:
        """Raise UsageError where options do not go together."""

    def require(self, budget: Budget) -> None:
        """Raise UsageError where nodes with this budget cannot have it."""

    def apply(self, scene: Scene, fault: ActiveFault) -> None:
        """Do it."""

    def heal(self, scene: Scene, fault: ActiveFault) -> None:
        """Undo it; harmless when nothing, or only half of it, was done."""

    def probe(self, scene: Scene, fault: ActiveFault, patience_s: float) -> Reading:
        """Measure what it changes. An answer that stays out for ``patience_s`` counts as none."""

    def took(self, fault: ActiveFault, before: Reading, now: Reading) -> bool:
        """Whether it took effect, by what was measured before and after."""

    def impairment(self, fault: ActiveFault) -> Mapping[str, Any]:
        """What the relay of its link shall do (``relay.py``); empty for a fault of a node."""

    def words(self, fault: ActiveFault) -> str:
        """What it does, with its figures, for people: "50 ms added to a round trip"."""


# --- load ------------------------------------------------------------------------------------


class Wait:
    """What an operation tells the loop: go on with me when this socket is ready.

    A connection keeps one a direction for as long as it has its socket, so that the loop knows by
    identity alone that nothing has to be registered anew.
    """

    __slots__ = ("fd", "write")

    def __init__(self, fd: int, *, write: bool = False) -> None:
        self.fd = fd
        self.write = write


class Connection(Protocol):
    """A non-blocking client connection of the hot loop; ``clients/`` has one file a service.

    Its operations are awaitables that yield a :class:`Wait` until the answer is complete, and
    raise :class:`~scalelab.errors.RequestFailed`. A lost connection is made again by the next one.
    """

    def open(self) -> Awaitable[None]:
        """Connect and prepare now what the first operation would; harmless when connected."""

    def close(self) -> None: ...


class History(Protocol):
    """The running record that correctness is judged from (``measure/checkers/stale_reads.py``)."""

    def reading(self, key: int) -> int:
        """The newest version of ``key`` acknowledged before this read was invoked."""

    def read(self, key: int, floor: int, version: int, invoked: float) -> None:
        """A read invoked at ``invoked`` (s) returned ``version``, ``floor`` being acknowledged."""

    def wrote(self, key: int, version: int, at: float) -> None:
        """A write of ``version`` was acknowledged at ``at`` (s, monotonic)."""


class Elements(Protocol):
    """The set of elements that one session adds (``measure/checkers/lost_writes.py``).

    An element is (session, number); a final read says which are there.
    """

    session: int

    def attempt(self, at: float) -> int:
        """The number of the next element, whose add is invoked at ``at`` (s)."""

    def acknowledged(self, number: int) -> None:
        """The add took effect: the server said so."""

    def failed(self, number: int) -> None:
        """The add took no effect and never will. Of a lost connection nothing is to be said."""


class Guarantees(Protocol):
    """What one session wrote and read itself (``measure/checkers/sessions.py``)."""

    def read(self, key: int, version: int) -> None:
        """A read returned that version."""

    def wrote(self, key: int, version: int) -> None:
        """A write was acknowledged and made that version."""


class Registers(Protocol):
    """The registers one session reads and writes (``measure/checkers/register.py``).

    Their values at the start are what the workload's ``versions`` says.
    """

    def begin(self, key: int, at: float) -> None:
        """An operation on that key is invoked at ``at`` (s)."""

    def over(
        self,
        kind: str,
        value: int | None,
        at: float,
        outcome: Literal["ok", "fail", "unknown"] = "ok",
    ) -> None:
        """It is over: a ``read`` of that value, or a ``write``; also one that was cut off."""


class SessionContext(Protocol):
    """What a workload's session is given by the worker that drives it."""

    places: Places
    random: random.Random
    history: History
    number: int
    """Of this session, from 0, over all workers."""
    sessions: int
    """How many there are over all workers."""
    now: Callable[[], float]
    next_key: Callable[[], int]
    """The next key in [0, keys) to read."""
    next_own_key: Callable[[], int]
    """The next key to write: each is written by one worker only."""

    @property
    def adds(self) -> Elements:
        """The set this session adds to, for who wants lost writes judged."""

    @property
    def guarantees(self) -> Guarantees:
        """What this session did, for who wants the session guarantees judged."""

    @property
    def registers(self) -> Registers:
        """What this session reads and writes, for who wants linearizability judged.

        Of keys that no other worker uses (``next_own_key``): each knows its own history only.
        """

    def connect(self, node: str) -> Any:
        """A connection to ``node`` for this session alone (clients/ says what it can do)."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Go on after so long: a delay that is part of what the session does."""

    def count(self, what: str) -> None:
        """Count an event ("hit", "miss") that the summary reports."""


class Session(Protocol):
    """One client of the application."""

    def operate(self) -> Awaitable[str]:
        """Do one operation and return its kind ("read", "write")."""


class Workload(Protocol):
    """What an application does. One file in ``scalelab/workloads``; ``WORKLOAD`` is an instance."""

    summary: str
    keys: int
    """Size of the key space."""
    distribution: str
    """How keys are chosen: uniform, zipfian or ranked."""

    def load(self, places: Places) -> None:
        """Make the schema and the data (blocking, once a cluster; again is harmless)."""

    def versions(self, places: Places) -> Sequence[int]:
        """The current version of every key, to judge reads against; empty if it keeps none."""

    def session(self, context: SessionContext, options: Mapping[str, Any]) -> Session:
        """A client. ``options`` are the variant's."""


@runtime_checkable
class AuditedWorkload(Workload, Protocol):
    """Looks at the servers after the rehearsals, and once a slice is over and all is healed."""

    def audit(self, places: Places, load: Load) -> Audit:
        """What is there in the end (blocking)."""
