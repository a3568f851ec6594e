"""What is known of an index or a table of documents: its fields and what they are for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scalelab.errors import UnknownName, UsageError
from scalelab.search import question
from scalelab.search.question import Field, Question

_TITLES = ("title", "name", "subject")
_NO_COLUMNS = ("text", "object", "nested", "flattened", "annotated_text", "match_only_text")


@dataclass(frozen=True)
class Collection:
    """Documents of one kind.

    Parameters
    ----------
    name : of the index, and of the table.
    types : field -> Elasticsearch's type; fields of objects have a dot, and so have sub-fields
        (``name.keyword``).
    title : the field shown as a hit's title; None: its id.
    fields : where words are looked for.
    facets : fields worth counting.
    date : the field that ``since`` and ``until`` speak of.
    """

    name: str
    types: Mapping[str, str]
    title: str | None = None
    fields: tuple[Field, ...] = ()
    facets: tuple[str, ...] = ()
    date: str | None = None

    def check(self, asked: Question) -> None:
        """Check that every field a question speaks of is one of these documents.

        Raises
        ------
        UnknownName : one is not; suggests the near one.
        UsageError : one is in nested documents; or it asks for dates, and there is none.
        """
        for name in asked.names:
            if name not in self.types:
                known = [each for each in self.types if not each.endswith(".keyword")]
                raise UnknownName(f"field of {self.name}", name, known)
            if any(self.types.get(parent) == "nested" for parent in _parents(name)):
                raise UsageError(
                    f"{name} of {self.name} is in nested documents of its own",
                    "ask for it by a nested query, with --dsl",
                )
        if asked.since or asked.until:
            self.dated()

    def searched(self, asked: Question) -> tuple[Field, ...]:
        """The fields a question looks in.

        Raises
        ------
        UsageError : it names none, and the documents have no text.
        """
        found = asked.fields or self.fields
        if not found:
            raise UsageError(
                f"{self.name} has no text field to search", "name a field with --field"
            )
        return found

    def dated(self) -> str:
        """The field that holds the documents' date.

        Raises
        ------
        UsageError : there is none, or several and none is chosen.
        """
        if self.date:
            return self.date
        dates = sorted(name for name, kind in self.types.items() if kind == "date")
        if len(dates) == 1:
            return dates[0]
        raise UsageError(
            f"{self.name} has {'several dates: ' + ', '.join(dates) if dates else 'no date'}",
            "leave --since and --until out",
        )

    def column(self, name: str) -> str:
        """The field that has a field's values whole, to filter, sort and count by.

        Raises
        ------
        UsageError : its values are only kept as single words.
        """
        if self.types.get(name) not in _NO_COLUMNS:
            return name
        if f"{name}.keyword" in self.types:
            return f"{name}.keyword"
        able = [each for each, kind in self.types.items() if kind not in _NO_COLUMNS]
        raise UsageError(
            f"{name} of {self.name} is {self.types[name]}: it has no whole values",
            f"fields with whole values: {', '.join(sorted(able))}" if able else "search it instead",
        )


def from_mapping(name: str, mapping: Mapping[str, Any]) -> Collection:
    """A collection as an index's mapping tells it, with what ``search load`` wrote into it."""
    types = dict(_types(mapping.get("properties", {})))
    return make(name, types, mapping.get("_meta", {}).get("scalelab", {}))


def from_documents(
    name: str, documents: Iterable[Mapping[str, Any]], meta: Mapping[str, Any]
) -> Collection:
    """A collection as some of its documents tell it, where there is no mapping to look at."""
    types: dict[str, str] = {}
    for each in documents:
        types.update((k, v) for k, v in _guessed(each) if types.get(k) != "text")
    date = meta.get("date")
    if date in types:
        types[date] = "date"
    return make(name, types, meta)


def make(name: str, types: Mapping[str, str], meta: Mapping[str, Any]) -> Collection:
    """A collection of these fields; what ``meta`` does not say is guessed."""
    texts = [each for each, kind in types.items() if kind == "text"]
    title = meta.get("title") or next((each for each in _TITLES if each in types), None)
    return Collection(
        name=name,
        types=types,
        title=title,
        fields=question.fields(meta.get("fields") or texts),
        facets=tuple(meta.get("facets") or ()),
        date=meta.get("date"),
    )


def value(source: Mapping[str, Any], name: str) -> Any:
    """A document's value of a field, by its dotted name; None where it has none."""
    found: Any = source
    for part in name.removesuffix(".keyword").split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _types(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in properties.items():
        if "properties" in field:
            yield f"{prefix}{name}", field.get("type", "object")
            yield from _types(field["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.get("type", "object")
            yield from _types(field.get("fields", {}), f"{prefix}{name}.")


def _guessed(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, held in document.items():
        if isinstance(held, Mapping):
            yield f"{prefix}{name}", "object"
            yield from _guessed(held, f"{prefix}{name}.")
        elif isinstance(held, bool):
            yield f"{prefix}{name}", "boolean"
        elif isinstance(held, (int, float)):
            yield f"{prefix}{name}", "double"
        elif isinstance(held, str):
            yield f"{prefix}{name}", "text" if " " in held else "keyword"
        elif held is not None:
            yield f"{prefix}{name}", "keyword"
