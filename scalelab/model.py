"""The frozen data that every part of scalelab speaks in. No behaviour beyond small derivations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# --- topologies ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What one node may use, as if it were a machine of its own.

    Parameters
    ----------
    cpus : share of one core (0.2 = 20%), None for no limit.
    memory : bytes, None for no limit.
    disk : bytes of a file system of its own, which is held in memory; None for the machine's.
    """

    cpus: float | None = 0.2
    memory: int | None = 256 * 1024**2
    disk: int | None = None

    @property
    def held(self) -> int | None:
        """Bytes the kernel may charge to the node: what is on its own disk is memory too."""
        return None if self.memory is None else self.memory + (self.disk or 0)

    def times(self, scale: float) -> Budget:
        """The budget of a machine so many times as large."""

        def scaled(size: int | None) -> int | None:
            return None if size is None else int(size * scale)

        cpus = None if self.cpus is None else self.cpus * scale
        return Budget(cpus, scaled(self.memory), scaled(self.disk))


@dataclass(frozen=True)
class Node:
    """One server process (or container) of a service.

    Parameters
    ----------
    name : unique in its topology.
    service : the kind of server, a file name of ``scalelab/services``.
    role : primary, replica, shard, cache, ...
    follows : the node it copies from, which must be ready first; None as well where the servers
        decide that among themselves.
    settings : the service's own parameters, by its own names.
    needs : other nodes that must be ready first.
    """

    name: str
    service: str
    role: str
    follows: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter of a topology, with its bounds.

    Parameters
    ----------
    kind : int or str.
    low, high : bounds of a number, both included.
    choices : the allowed words; empty allows any.
    """

    name: str
    kind: type
    default: int | str
    help: str
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()


Params = Mapping[str, int | str]


@dataclass(frozen=True)
class TopologyKind:
    """What a file of ``scalelab/topologies`` declares.

    Parameters
    ----------
    build : the nodes for given parameter values, primary first.
    budget : what each node gets where the user asks for nothing.
    """

    summary: str
    parameters: tuple[Parameter, ...]
    build: Callable[[Params], tuple[Node, ...]]
    budget: Budget = field(default_factory=lambda: Budget())


@dataclass(frozen=True)
class Topology:
    """Named nodes and how they hang together, with the parameters they came from."""

    name: str
    params: Params
    nodes: tuple[Node, ...]


# --- where nodes are, and how they boot ------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Place:
    """Where a node is.

    Parameters
    ----------
    cluster : the name of the cluster it belongs to.
    client : its address as its users see it.
    peer : its address as its peers see it.
    bind : the address the server listens on.
    data_dir : the server's data folder, as the server sees it.
    conf_dir : the folder the launch files are put in, as the server sees it.
    password : of the user ``lab`` on this node.
    budget : what it may use.
    control : a second address, at which its peers reach what runs the server or its own kind; None
        where the service has none.
    """

    cluster: str
    node: Node
    client: Address
    peer: Address
    bind: Address
    data_dir: str
    conf_dir: str
    password: str = field(repr=False)
    budget: Budget
    control: Address | None = None


Places = Mapping[str, Place]


@dataclass(frozen=True)
class Launch:
    """What to do to boot a node: pure data that serves every runtime.

    Parameters
    ----------
    prepare : commands run once, in order, before the first start.
    run : the server, in the foreground.
    files : content by file name, put in the place's ``conf_dir`` with mode 0600.
    once : the same, for files that only ``prepare`` needs and removes (a password).
    rejoin : commands run before every later start; when one fails the node is prepared anew.
    env : environment variables; never a secret.
    stale : files a killed server leaves that would stop the next start; nothing of the node runs
        when they are removed.
    """

    run: tuple[str, ...]
    prepare: tuple[tuple[str, ...], ...] = ()
    stale: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    once: Mapping[str, str] = field(default_factory=dict)
    rejoin: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """A container image of a service, and what its makers decided.

    Parameters
    ----------
    default : the official image; "" where there is none.
    offline : the image ``scalelab images build`` makes where no registry can be reached; "" where
        it cannot.
    uid : the unprivileged user the server runs as.
    data_dir : where the image's makers put the data.
    volume : the folder they declared a volume: ``data_dir`` or one above it.
    port : where the server listens inside the container.
    control : the port of its control address (``Place``) inside the container; 0 where the service
        has none.
    """

    default: str
    offline: str
    uid: int
    data_dir: str
    volume: str
    port: int
    control: int = 0


# A runtime's own notes on a started node: a pid and its start time, or a container's id.
Handle = Mapping[str, str | int | float]


@dataclass(frozen=True)
class NodeState:
    """What a runtime sees of a node.

    Parameters
    ----------
    state : running, paused, stopped (by scalelab), exited (ended by itself or from outside).
    uptime_s : seconds since the server started, None when it does not run.
    """

    state: str
    uptime_s: float | None = None
    detail: str = ""


# --- faults ----------------------------------------------------------------------------------

CLIENT = "client"
"""The end of a link where a cluster's users are."""
LEADER = "leader"
"""As a fault's target: the node that leads when it strikes."""


@dataclass(frozen=True)
class FaultOption:
    """One option of a kind of fault.

    Parameters
    ----------
    unit : what its values are: "duration" (seconds), "rate" (bytes per second) or "flag" (0, 1).
    """

    name: str
    unit: str
    default: float
    help: str


@dataclass(frozen=True)
class ActiveFault:
    """A fault that is on, or about to be: written down before anything is done.

    Parameters
    ----------
    id : unique in its cluster ("f1").
    kind : a file name of ``scalelab/faults``.
    target : a node, or a link as it was named ("replica1--primary"): what is cut one way is cut
        from its first end to its second.
    link : the link it is on, follower or client first; "" for a fault of a node.
    inverse : what undoes it, in a word or two ("start").
    options : values by name, in the options' own units.
    created : seconds since the epoch.
    until : when it expires, in seconds since the epoch; None lasts until it is healed.
    owner : pid and start time of the scalelab process that applies it or waits for its end; None
        once it stays on by itself. When that process is gone, the next command heals.
    """

    id: str
    kind: str
    target: str
    link: str
    inverse: str
    options: Mapping[str, float]
    created: float
    until: float | None
    owner: tuple[int, float] | None

    @property
    def word(self) -> str:
        """Its kind as people write it ("fill-disk")."""
        return self.kind.replace("_", "-")


@dataclass(frozen=True)
class Route:
    """A link that goes through a relay while a fault needs it.

    Parameters
    ----------
    link : follower or client first, then the node reached ("client--primary").
    folder : the relay's, below that of the cluster's links; never used again.
    listen : the relay's own address.
    target : where it passes on to.
    pid, started : the relay's process; 0 before it runs.
    """

    link: str
    folder: str
    listen: Address
    target: Address
    pid: int = 0
    started: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What was measured of a fault's target.

    Parameters
    ----------
    key : the name of the figure with its unit ("round_trip_ms"), as in documents.
    what : the same for people ("round trip, median of 9").
    value : None where no answer came in time, or the server refused.
    said : the server's own words where it refused.
    free : bytes left on the node's disk, where that was looked at.
    """

    key: str
    what: str
    value: float | None
    said: str = ""
    free: int | None = None


@dataclass(frozen=True)
class Cluster:
    """A topology that is up (or on its way), as the ledger has it.

    Parameters
    ----------
    phase : starting, up, removing.
    owner : the pid and start time of the scalelab process at work on it, None when none is.
    stopped : nodes that scalelab itself stopped.
    handles : the runtime's notes, by node.
    budgeted : whether CPU budgets are really enforced here.
    created : seconds since the epoch.
    faults : those that are on, oldest first.
    routes : links that go through a relay.
    """

    name: str
    runtime: str
    topology: Topology
    places: Places
    budget: Budget
    phase: str
    created: float
    owner: tuple[int, float] | None = None
    stopped: frozenset[str] = frozenset()
    handles: Mapping[str, Handle] = field(default_factory=dict)
    budgeted: bool = True
    faults: tuple[ActiveFault, ...] = ()
    routes: tuple[Route, ...] = ()

    def seen(self) -> Cluster:
        """The cluster as its users see it: a node behind a relay has the relay's address."""
        relayed = {route.link: route.listen for route in self.routes if route.pid}
        places = {
            name: replace(place, client=relayed.get(f"{CLIENT}--{name}", place.client))
            for name, place in self.places.items()
        }
        return replace(self, places=places)

    def peers(self, node: str) -> Places:
        """The places as this node reaches them: its leader, perhaps, by a relay."""
        leader = self.places[node].node.follows
        for route in self.routes:
            if route.pid and route.link == f"{node}--{leader}":
                return {
                    **self.places,
                    str(leader): replace(self.places[str(leader)], peer=route.listen),
                }
        return self.places

    def followers(self, node: str) -> list[str]:
        """The nodes that follow this one."""
        return [name for name, place in self.places.items() if place.node.follows == node]


# --- labs, load and results ------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One topology and workload of a lab.

    Parameters
    ----------
    workload : its name, or a file in the lab's folder ("my_workload.py").
    options : the workload's options.
    scale : the budget of its nodes, as a multiple of the run's: 2 is a machine twice as large.
    faults : what strikes it in every slice (``strokes``): "kill primary @2s".
    worth : how many of what the lab counts one operation does: a bulk of 100 documents, of which
        100 are counted. Latencies stay those of the operation.
    """

    name: str
    topology: str
    workload: str
    params: Params = field(default_factory=dict)
    options: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    scale: float = 1.0
    faults: tuple[str, ...] = ()
    worth: float = 1.0


@dataclass(frozen=True)
class Claim:
    """A sentence that a run confirms, refutes or leaves inconclusive.

    Parameters
    ----------
    metric : ``ratio`` (to the baseline), or a field of a variant's summary such as ``stale``.
    low, high : the claimed bounds, both included; None leaves a side open.
    """

    text: str
    variant: str
    metric: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Prediction:
    """A question to the learner before the run, whose answer is a figure of the run.

    Parameters
    ----------
    metric : as of a claim.
    unit : shown beside the answer; by default the metric's own (x, %, ms, /s).
    """

    text: str
    variant: str
    metric: str
    unit: str = ""


@dataclass(frozen=True)
class Lab:
    """A question, the variants that answer it, and its claims.

    Parameters
    ----------
    counted : what the throughput counts: the operation kind of the workload ("read", "write").
    clients : sessions of a closed loop by default.
    variants : the first is the baseline.
    predictions : asked by ``scalelab lab run`` before it runs.
    duration_s : seconds measured in each slice by default; None for the tool's own default.
    rounds : how many by default; None for the tool's own default. Fewer where each takes long and
        no ratio is claimed.
    prices : the file in the lab's folder that says what machines cost (``measure.cost``), or "".
    shared : variants of the same topology, parameters and size run on one cluster, one after the
        other: they differ in what they ask of it, and it is dear to bring up.
    """

    title: str
    question: str
    counted: str
    variants: tuple[Variant, ...]
    claims: tuple[Claim, ...] = ()
    clients: int = 16
    predictions: tuple[Prediction, ...] = ()
    duration_s: float | None = None
    prices: str = ""
    rounds: int | None = None
    shared: bool = False


ARRIVALS = ("poisson", "constant")
"""How an open loop's arrivals are spread over the time: at random, or evenly."""


@dataclass(frozen=True)
class Stage:
    """A part of an open loop's measured time.

    Parameters
    ----------
    rate : planned arrivals per second over all workers.
    duration_s : seconds.
    """

    rate: float
    duration_s: float


@dataclass(frozen=True)
class Load:
    """How hard one slice drives a variant.

    Parameters
    ----------
    clients : concurrent sessions, over all workers.
    rate : planned arrivals per second over all workers (open loop), None for a closed loop. Of
        stages, their mean.
    duration_s : measured seconds.
    warmup_s : seconds driven before them and cut, at the rate of the first stage.
    seed : of keys and arrivals.
    workers : worker processes.
    arrivals : of an open loop, one of ``ARRIVALS``.
    stages : of an open loop whose rate changes; what lies beyond ``duration_s`` is not driven, so
        that a shorter load (a rehearsal) is its beginning.
    """

    clients: int
    rate: float | None
    duration_s: float
    warmup_s: float
    seed: int
    workers: int = 1
    arrivals: str = "poisson"
    stages: tuple[Stage, ...] = ()


TICK_S = 0.1
"""What a timeline counts in, in seconds."""


@dataclass(frozen=True)
class StageReport:
    """What one worker saw in one stage.

    Parameters
    ----------
    elapsed_s : how long it took.
    histograms : encoded HdrHistograms of response times in microseconds, by operation kind, of
        what was planned in it.
    planned : arrivals planned in it; unsent : of them, those never sent.
    completed, failed : operations of every kind that ended in it, whenever they were planned.
    """

    elapsed_s: float
    histograms: Mapping[str, bytes]
    planned: int
    unsent: int
    completed: int
    failed: int


@dataclass(frozen=True)
class WorkerReport:
    """What one worker saw in one slice; plain data that crosses processes and machines.

    Parameters
    ----------
    elapsed_s : the measured time, warm-up cut.
    histograms : encoded HdrHistograms of response times in microseconds, by operation kind.
    service : the same, counted from the moment of sending (differs in an open loop).
    send_lag : an encoded HdrHistogram of how late the generator was, in microseconds: it had a free
        client, and the request was due.
    counts : operations completed in the measured time, by kind, and what the workload counted
        ("hit", "miss"). An open loop's histograms and errors are of those planned in that time.
    errors : failed operations by kind of error.
    judged : reads judged against the history.
    stale : of them, those that missed a write acknowledged before they were invoked.
    stale_max_age_ms : the largest age of a stale read, in ms (0 without one).
    cpu_share : CPU time of the worker over elapsed time (1 = one core).
    planned : arrivals planned in the measured time (open loop; else completed operations).
    unsent : planned arrivals never sent because the slice ended first.
    client_wait : an encoded HdrHistogram of how long requests that were due waited for a free
        client, in microseconds (open loop; else empty).
    stages : one a stage of an open loop, and one where its rate never changes.
    timeline : by operation kind, completed operations in each ``TICK_S`` from the start, the
        warm-up included.
    begun_s : when the measured time began, since the start.
    guarantees : what the sessions saw that kept a history of their own
        (``measure.checkers.sessions.SessionGuarantees``); None when none did.
    adds : what they added, of those who did (``measure.checkers.lost_writes.Adds``).
    registers : what was found of the registers they used
        (``measure.checkers.register.Linearizability``); None when they used none.
    """

    elapsed_s: float
    histograms: Mapping[str, bytes]
    service: Mapping[str, bytes]
    send_lag: bytes
    counts: Mapping[str, int]
    errors: Mapping[str, int]
    judged: int
    stale: int
    stale_max_age_ms: float
    cpu_share: float
    planned: int
    unsent: int
    client_wait: bytes = b""
    stages: tuple[StageReport, ...] = ()
    timeline: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    begun_s: float = 0.0
    guarantees: Any = None
    adds: tuple[Any, ...] = ()
    registers: Any = None


@dataclass(frozen=True)
class Struck:
    """A fault of a run's timeline, as it happened.

    Parameters
    ----------
    text : as it was asked for.
    at_s : when it took hold, in seconds since the measured time began.
    until_s : when it was undone; None when it lasted until the slice was over.
    """

    text: str
    at_s: float
    until_s: float | None


@dataclass(frozen=True)
class Audit:
    """What a workload found on the servers once a slice was over.

    Parameters
    ----------
    elements : the final read of the sets its sessions added to: (session, number); None if they
        add to none.
    figures : of ``measure.figures.FIGURES``, by name.
    """

    elements: Iterable[tuple[int, int]] | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """One variant's part of one round: the unit of the statistics.

    Parameters
    ----------
    round : from 0.
    order : its place in the round's random order, from 0.
    figures : of ``measure.figures.FIGURES``, by name.
    struck : the faults of its timeline.
    """

    variant: str
    round: int
    order: int
    reports: tuple[WorkerReport, ...]
    figures: Mapping[str, float] = field(default_factory=dict)
    struck: tuple[Struck, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A variant against the baseline, over all rounds.

    Parameters
    ----------
    ratio, low, high : geometric mean of the per-round throughput ratios and its 95% interval.
    p_value : Holm-adjusted over the variants.
    verdict : faster, slower, same, inconclusive, or "" where none may be given.
    """

    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class StageSummary:
    """A variant in one stage, all rounds together; times of the counted operation.

    Parameters
    ----------
    offered, achieved : operations of every kind per second, as planned and as completed.
    planned : arrivals; unsent : of them, those never sent.
    overloaded : the backlog grew, so that percentiles are withheld.
    """

    offered: float
    achieved: float
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    planned: int
    unsent: int
    overloaded: bool


@dataclass(frozen=True)
class VariantSummary:
    """One row of the result table. Latencies in ms; None where too few samples allow the figure.

    ``mean_ms`` to ``max_ms`` are response times: in an open loop from the planned start, so that
    each is the sum of a wait for a free client, the generator's send lag and the service time.

    Parameters
    ----------
    offered : planned arrivals per second, of every kind; None in a closed loop.
    cpu_share : CPU time of the busiest worker over elapsed time (1 = one core).
    ceiling_share : operations of the busiest worker over what it could do without a server.
    by_round : throughput of each round.
    histogram : response times of the counted operation in µs, all rounds merged, as HdrHistogram
        itself writes them (V2, compressed, base64).
    service_p99_ms : from the moment of sending, of the counted operation.
    client_wait_p99_ms : how long requests that were due waited for a free client.
    planned : operations; unsent : of them, those never sent because the slice ended first.
    stages : one a stage of the load.
    figures : of correctness and availability (``measure.figures.FIGURES``), over all rounds.
    figures_by_round : those of each round.
    timeline : of a variant with faults, counted operations per second in each ``TICK_S`` of the
        measured time, mean over the rounds.
    struck : its faults, at their mean times over the rounds.
    """

    name: str
    throughput: float
    throughput_low: float | None
    throughput_high: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    operations: int
    errors: Mapping[str, int]
    error_share: float
    judged: int
    stale: int
    stale_share: float | None
    stale_max_age_ms: float
    counts: Mapping[str, int]
    cpu_share: float
    ceiling_share: float
    send_lag_p99_ms: float
    offered: float | None
    by_round: tuple[float, ...]
    histogram: str
    comparison: Comparison | None
    service_p99_ms: float | None = None
    client_wait_p99_ms: float | None = None
    planned: int = 0
    unsent: int = 0
    stages: tuple[StageSummary, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    figures_by_round: tuple[Mapping[str, float], ...] = ()
    timeline: tuple[float, ...] = ()
    struck: tuple[Struck, ...] = ()

    @property
    def hit_share(self) -> float | None:
        """Look-ups that a cache answered; None without a cache."""
        looked_up = self.counts.get("hit", 0) + self.counts.get("miss", 0)
        return self.counts.get("hit", 0) / looked_up if looked_up else None


@dataclass(frozen=True)
class ClaimResult:
    """A claim and what the run says of it: confirmed, refuted or inconclusive."""

    text: str
    outcome: str
    figure: str


@dataclass(frozen=True)
class Rehearsal:
    """How a variant was driven before the rounds; nothing of it counts.

    Parameters
    ----------
    driven_s : seconds, over all its rehearsals.
    settled : whether its throughput became steady; None when that was not asked.
    added_at : CPU share of the busiest worker each time one was added.
    """

    variant: str
    driven_s: float
    settled: bool | None
    added_at: tuple[float, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """One run, complete: what was asked, where it ran, what came out.

    Parameters
    ----------
    aa : a variant was run against itself; ``lab`` says so too.
    noop_ceiling : requests a second that one worker can do without a server.
    order : of each round, the variants as they were driven in it.
    """

    lab: str
    title: str
    counted: str
    runtime: str
    budget: Budget
    budgeted: bool
    load: Load
    rounds: int
    order: tuple[tuple[str, ...], ...]
    quick: bool
    aa: bool
    started: float
    host: Mapping[str, str | int | float]
    versions: Mapping[str, str]
    noop_ceiling: float
    rehearsals: tuple[Rehearsal, ...]
    summaries: tuple[VariantSummary, ...]
    claims: tuple[ClaimResult, ...]
    warnings: tuple[str, ...]
