"""A PostgreSQL primary and streaming replicas of it, each through a slot of its own."""

from scalelab.model import Node, Parameter, Params, TopologyKind


def _build(params: Params) -> tuple[Node, ...]:
    names = [f"replica{number}" for number in range(1, int(params["replicas"]) + 1)]
    late: dict[str, str] = {}
    if delay := int(params["apply_delay_ms"]):
        late["recovery_min_apply_delay"] = f"{delay}ms"
    on_time = len(names) - int(params["delayed"])
    return (
        Node("primary", "postgres", "primary", settings=_primary(str(params["sync"]), names)),
        *(
            Node(name, "postgres", "replica", "primary", {} if number < on_time else late)
            for number, name in enumerate(names)
        ),
    )


def _primary(sync: str, replicas: list[str]) -> dict[str, str]:
    if sync == "off":
        return {}
    listed = ", ".join(replicas)
    if sync == "on":
        return {"synchronous_standby_names": f"ANY 1 ({listed})", "synchronous_commit": "on"}
    # A read from any replica shall see the write: every one of them must have applied it.
    return {
        "synchronous_standby_names": f"FIRST {len(replicas)} ({listed})",
        "synchronous_commit": "remote_apply",
    }


TOPOLOGY = TopologyKind(
    summary="a PostgreSQL primary and streaming replicas",
    parameters=(
        Parameter("replicas", int, 2, "streaming replicas", low=1, high=8),
        Parameter(
            "sync",
            str,
            "off",
            "a commit waits for no replica (off), one on disk (on), all applied (remote_apply)",
            choices=("off", "on", "remote_apply"),
        ),
        Parameter(
            "apply_delay_ms", int, 0, "replicas apply changes this late", low=0, high=3_600_000
        ),
        Parameter("delayed", int, 8, "so many replicas do, the last ones", low=0, high=8),
    ),
    build=_build,
)
