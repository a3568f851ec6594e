"""search load, search mapping: documents into the servers, and what an index makes of them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalelab.cli import config, options, output
from scalelab.errors import CheckFailed, EnvironmentLacks, UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from elasticsearch import Elasticsearch
    from rich.table import Table

    from scalelab.corpora._corpus import Corpus, Document
    from scalelab.model import Cluster, Place
    from scalelab.search.loading import Engine, Loaded, Outcome, Problems
    from scalelab.search.mapping import Schema

_SAMPLED = 1000
_LISTED = 10
_INTO = {"es": ("elasticsearch",), "postgres": ("postgres",), "both": ("elasticsearch", "postgres")}
_MISSING = {"elasticsearch": "Elasticsearch", "postgres": "PostgreSQL"}


def complete_source(incomplete: str) -> list[str]:
    """Corpora that need no file, and files, that begin like this."""
    folder, begun = (Path(incomplete).parent, Path(incomplete).name)
    if incomplete.endswith("/"):
        folder, begun = Path(incomplete), ""
    files = (each for each in folder.glob("*") if each.name.startswith(begun))
    found = sorted(f"{each}/" if each.is_dir() else str(each) for each in files)
    return [k for k in _without_file(_corpora()) if k.startswith(incomplete)] + found


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of files that begin like this."""
    kinds = [name for name, corpus in _corpora().items() if corpus.needs_source]
    return [name for name in kinds if name.startswith(incomplete)]


def complete_into(incomplete: str) -> list[str]:
    """Engines that begin like this."""
    return [word for word in _INTO if word.startswith(incomplete)]


def load(
    source: Annotated[
        str,
        typer.Argument(
            help="pydoc (this Python's own documentation), or a file: mbox, JSON lines, CSV, text.",
            autocompletion=complete_source,
        ),
    ],
    index: Annotated[
        str | None,
        typer.Option("--index", "-i", help="What to call it. Default: as the source is called."),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="A file with the types of fields, as JSON; others are inferred."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="What the file is: book, mbox, posts, jsonl or csv. Default: by its name.",
            autocompletion=complete_kind,
        ),
    ] = None,
    into: Annotated[
        str,
        typer.Option(help="es, postgres or both.", autocompletion=complete_into),
    ] = "both",
    replace: Annotated[
        bool, typer.Option("--replace", help="Begin with an empty index and table.")
    ] = False,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Load documents into Elasticsearch and PostgreSQL, to be searched there.

    Loading again is safe: the same is written over the same.

    What is broken is listed and the rest goes on; the exit code is then 1.
    """
    from scalelab.search import loading

    if into not in _INTO:
        raise UnknownName("engine", into, _INTO)
    known, path = _chosen(source, kind)
    corpus = _corpora()[known]
    index = loading.index_name(index or _default_name(known, path))
    given = _given_mapping(mapping)
    cluster = config.clusters().find(name).seen()
    result = loading.Loaded()
    with contextlib.ExitStack() as stack:
        servers = _Servers(cluster, into, stack)
        documents = corpus.read(path, result.rejected.add, output.note)
        before = None if replace else servers.before(index)
        schema, documents = _schema(known, corpus, documents, given, before)
        engines = servers.engines(index, schema, replace)
        tick = stack.enter_context(_progress(index))
        loading.load(documents, engines, result, tick)
    for outcome in result.outcomes:
        for text in outcome.notes:
            output.note(text)
    if json:
        output.document("scalelab.search-load", 1, _document(index, known, result))
    else:
        _show(index, known, result)
    if result.problems:
        raise CheckFailed(_missing(result), "mend them and load again: the rest is loaded")


def mapping(
    index: Annotated[
        str | None, typer.Option("--index", "-i", help="Which index. Default: the only one.")
    ] = None,
    name: options.Name = None,
    json: options.Json = False,
) -> None:
    """Show which types the fields of an index have, and what it is searched by."""
    from scalelab import elastic
    from scalelab.search import finding, server

    cluster = config.clusters().find(name).seen()
    if not elastic.nodes(cluster.places):
        raise UsageError(f"{cluster.name} has no Elasticsearch", "scalelab up search")
    with elastic.client(cluster.places) as client:
        chosen = index or finding.only(finding.loaded(client), "index")
        finding.in_elasticsearch(client, chosen)  # says what is near an unknown name
        found = server.send(client, "GET", f"/{chosen}/_mapping")
    for real, each in found.items():
        if json:
            output.document("scalelab.search-mapping", 1, {"index": real, **each})
        else:
            _show_mapping(real, each["mappings"])


# --- what is read --------------------------------------------------------------------------------


def _corpora() -> Mapping[str, Corpus]:
    from scalelab.catalog import Folder

    return Folder("corpora", "corpus", "CORPUS")


def _chosen(source: str, kind: str | None) -> tuple[str, Path | None]:
    """The kind of corpus, and the file it is read from."""
    corpora = dict(_corpora())
    if kind is not None and kind not in corpora:
        raise UnknownName("kind of corpus", kind, corpora)
    if source in corpora and not kind:
        if corpora[source].needs_source:
            raise UsageError(
                f"{source} is read from a file", f"scalelab search load FILE --as {source}"
            )
        return source, None
    path = Path(source)
    if not path.exists():
        raise UsageError(
            f"there is no file {source}", f"without a file: {', '.join(_without_file(corpora))}"
        )
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file", "name a file in it")
    if path.is_file() and not path.stat().st_size:
        raise UsageError(f"{path} is empty", "there is nothing to read in it")
    if kind and not corpora[kind].needs_source:
        raise UsageError(f"{kind} is read from no file", f"scalelab search load {kind}")
    return kind or _guessed(path), path


def _without_file(corpora: Mapping[str, Corpus]) -> list[str]:
    return [name for name, corpus in corpora.items() if not corpus.needs_source]


def _guessed(path: Path) -> str:
    """The kind of a file, by the end of its name, else by its beginning."""
    suffix = path.suffix.lower()
    for name, corpus in _corpora().items():
        if suffix in corpus.suffixes:
            return name
    if path.is_file():
        with contextlib.suppress(OSError), path.open("rb") as file:
            start = file.read(512).lstrip(b"\xef\xbb\xbf \r\n")
            if start.startswith(b"From "):
                return "mbox"
            if start.startswith(b"{"):
                return "jsonl"
    raise UsageError(
        f"nothing in the name of {path} says what it is",
        "say it: --as book, mbox, posts, jsonl or csv",
    )


def _default_name(kind: str, path: Path | None) -> str:
    from scalelab.search import loading

    return kind if path is None else loading.like(path.stem) or kind


def _given_mapping(file: str | None) -> Mapping[str, Any] | None:
    from scalelab.search import mapping

    if file is None:
        return None
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", "name a file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", "it is JSON, which is always UTF-8") from None
    return mapping.read(text, file)


def _schema(
    kind: str,
    corpus: Corpus,
    documents: Iterator[Document],
    given: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
) -> tuple[Schema, Iterator[Document]]:
    """How the documents are kept, and all of them still."""
    from scalelab.search import mapping

    sample = list(itertools.islice(documents, _SAMPLED if corpus.mapping is None else 1))
    fields = (document.fields for document in sample)
    schema = mapping.made(kind, corpus.mapping, corpus.meta, fields, given, before)
    return schema, itertools.chain(sample, documents)


# --- where it goes -------------------------------------------------------------------------------


class _Servers:
    """The servers of a cluster that documents go to.

    Parameters
    ----------
    stack : closes what is opened.
    """

    def __init__(self, cluster: Cluster, into: str, stack: contextlib.ExitStack) -> None:
        from scalelab import elastic, sql

        wanted = _wanted(cluster, into)
        self.client: Elasticsearch | None = None
        self.place: Place | None = None
        if "elasticsearch" in wanted:
            self.client = stack.enter_context(elastic.client(cluster.places))
        if "postgres" in wanted:
            if not (leading := sql.primaries(cluster.places)):
                raise EnvironmentLacks(
                    "no PostgreSQL node takes writes just now", "scalelab status"
                )
            self.place = leading[0]

    def before(self, index: str) -> Mapping[str, Any] | None:
        """The mapping of an index, or what a table says of itself, that is there already."""
        from scalelab.search import load_elasticsearch, load_postgres

        found: Mapping[str, Any] | None = None
        if self.client:
            found = load_elasticsearch.before(self.client, index)
        if found is None and self.place:
            with load_postgres.translated(), self._connect() as connection:
                found = load_postgres.before(connection, index)
        return found

    def engines(self, index: str, schema: Schema, replace: bool) -> list[Engine]:
        """What takes the documents."""
        from scalelab.search.load_elasticsearch import Elastic
        from scalelab.search.load_postgres import Postgres

        engines: list[Engine] = []
        if self.client:
            engines.append(Elastic(self.client, index, schema, replace=replace))
        if self.place:
            engines.append(Postgres(self._connect, index, schema, replace=replace))
        return engines

    def _connect(self) -> psycopg.Connection:
        from scalelab import sql

        assert self.place is not None
        return sql.connect(self.place)


def _wanted(cluster: Cluster, into: str) -> list[str]:
    """The engines to load, of those the cluster has; what is missing is said."""
    from scalelab import elastic, sql

    there = {
        "elasticsearch": bool(elastic.nodes(cluster.places)),
        "postgres": bool(sql.databases(cluster.places)),
    }
    wanted = [engine for engine in _INTO[into] if there[engine]]
    for engine in _INTO[into]:
        if engine in wanted:
            continue
        lacks = f"{cluster.name} has no {_MISSING[engine]}"
        if not wanted:
            raise UsageError(lacks, "bring up what has both: scalelab up search")
        output.note(f"{lacks}: loaded into {_MISSING[wanted[0]]} alone")
    return wanted


@contextlib.contextmanager
def _progress(index: str) -> Iterator[Callable[[int, str], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = output.stderr()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(f"{index}: beginning")

        def tick(read: int, doing: str) -> None:
            progress.update(task, description=f"{index}: {doing}, {read:,} documents")

        yield tick


# --- what is shown -------------------------------------------------------------------------------


def _show(index: str, kind: str, result: Loaded) -> None:
    console = output.stdout()
    console.print(f"[bold]{index}[/] · {kind} · {result.read:,} documents read", soft_wrap=True)
    console.print(_table(result.outcomes))
    if result.repeated:
        times = "once" if result.repeated == 1 else f"{result.repeated:,} times"
        output.note(f"an id came again {times}: the last document of each id counts")
    _list("not read", result.rejected)
    for outcome in result.outcomes:
        _list(f"not in {outcome.engine}", outcome.failed)


def _table(outcomes: list[Outcome]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("engine")
    for heading in ("new", "there before", "failed", "seconds", "docs/s"):
        table.add_column(heading, justify="right")
    for each in outcomes:
        rate = f"{each.loaded / each.seconds:,.0f}" if each.seconds else "-"
        counts = (each.created, each.updated, each.failed.count)
        table.add_row(each.engine, *(f"{n:,}" for n in counts), f"{each.seconds:.2f}", rate)
    return table


def _list(heading: str, problems: Problems) -> None:
    if not problems.count:
        return
    console = output.stdout()
    console.print(f"{heading}:", style="yellow", markup=False)
    for where, why in problems.first[:_LISTED]:
        console.print(f"  {where}: {why}", markup=False, soft_wrap=True)
    if problems.count > _LISTED:
        console.print(f"  and {problems.count - _LISTED:,} more", markup=False)


def _missing(result: Loaded) -> str:
    said = []
    if count := result.rejected.count:
        said.append(f"{count:,} record{'s' if count > 1 else ''} could not be read")
    for outcome in result.outcomes:
        if count := outcome.failed.count:
            documents = f"{count:,} document{'s' if count > 1 else ''}"
            said.append(f"{documents} could not be loaded into {outcome.engine}")
    return "; ".join(said)


def _document(index: str, kind: str, result: Loaded) -> dict[str, Any]:
    return {
        "index": index,
        "corpus": kind,
        "read": result.read,
        "repeated_ids": result.repeated,
        "rejected": _listed(result.rejected),
        "engines": {
            each.engine: {
                "created": each.created,
                "updated": each.updated,
                "failed": _listed(each.failed),
                "seconds": round(each.seconds, 3),
                "documents_per_s": round(each.loaded / each.seconds, 1) if each.seconds else None,
            }
            for each in result.outcomes
        },
    }


def _listed(problems: Problems) -> dict[str, Any]:
    first = [{"where": where, "why": why} for where, why in problems.first]
    return {"count": problems.count, "first": first}


def _show_mapping(index: str, found: Mapping[str, Any]) -> None:
    from rich.table import Table

    from scalelab.search import mapping

    console = output.stdout()
    meta = found.get("_meta", {}).get("scalelab", {})
    console.print(f"[bold]{index}[/] · {meta.get('corpus', 'not loaded by scalelab')}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("field", "type", "analyzer", "also as", "options"):
        table.add_column(heading, overflow="fold")
    for field, kind in mapping.flat(found.get("properties", {})):
        also = ", ".join(f".{sub} ({k['type']})" for sub, k in kind.get("fields", {}).items())
        rest = (k for k in kind if k not in ("type", "analyzer", "fields"))
        shown = ", ".join(f"{k}={kind[k]}" for k in rest)
        table.add_row(field, kind["type"], str(kind.get("analyzer", "")), also, shown)
    console.print(table)
    for what in ("title", "fields", "facets", "date"):
        if value := meta.get(what):
            text = ", ".join(value) if isinstance(value, list) else value
            console.print(f"{what}: {text}", markup=False, soft_wrap=True)
