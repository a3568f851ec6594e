"""Which types fields have: a corpus tells it, a user writes it, or documents show it. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scalelab.corpora._corpus import Meta, Properties
from scalelab.errors import UsageError

ANALYZER = "english"
SHORT = 256
"""Characters up to which a text is kept whole as well, to filter, sort and count by."""

_WORDY = 4
"""Words from which on a value is prose: to be searched by its words, not compared as a whole."""
_DEEPEST = 15
"""Objects in objects that are still inferred; the server allows 20."""
_FEW = 0.5
_LONGEST_KEYWORD = 1024
_INT64 = 2**63
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?|"
    r"(?P<spaced>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"
)
_SPACED = "yyyy-MM-dd HH:mm:ss||strict_date_optional_time||epoch_millis"
_TITLES = ("title", "name", "subject", "headline", "label")
_IDS = ("id", "_id", "uuid", "guid", "key", "slug", "url")

TEXT: Properties = {
    "type": "text",
    "analyzer": ANALYZER,
    "fields": {"keyword": {"type": "keyword", "ignore_above": SHORT}},
}


@dataclass(frozen=True)
class Schema:
    """How documents are kept and found.

    Parameters
    ----------
    corpus : the kind of source they came from.
    settings, options : what else a user gave: the index's settings, its mapping's own options.
    """

    corpus: str
    properties: Properties
    meta: Meta
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def without(self, analyzer: str) -> Schema:
        """The same for a server that lacks an analyzer: ``standard`` takes its place."""
        properties: Properties = _swapped(self.properties, analyzer)
        return replace(self, properties=properties)

    @property
    def told(self) -> dict[str, Any]:
        """What an index's ``_meta.scalelab`` says, and a table's comment."""
        meta = self.meta
        return {
            "corpus": self.corpus,
            "title": meta.title,
            "fields": list(meta.fields),
            "facets": list(meta.facets),
            "date": meta.date,
        }

    def mappings(self, analyzer: str = ANALYZER) -> dict[str, Any]:
        """The body of an index's ``mappings``; texts in no known field are searched by words."""
        unknown = {"match_mapping_type": "string", "mapping": {**TEXT, "analyzer": analyzer}}
        return {
            "dynamic_templates": [{"texts": unknown}],
            **self.options,
            "properties": self.properties,
            "_meta": {**self.options.get("_meta", {}), "scalelab": self.told},
        }


def made(
    corpus: str,
    known: Properties | None,
    meta: Meta | None,
    sample: Iterable[Mapping[str, Any]],
    given: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
) -> Schema:
    """The schema of a corpus.

    Parameters
    ----------
    known, meta : what the corpus says of itself; None: what its documents tell.
    sample : some of its documents.
    given : what a user wrote (``read``); it wins, field by field.
    before : the mapping of an index that is there already: its fields stay as they are.
    """
    given, before = given or {}, before or {}
    mappings = dict(given.get("mappings", {}))
    written = mappings.pop("properties", {})
    there = before.get("properties", {})
    properties = infer(sample) if known is None else known
    if mappings.get("dynamic") in (False, "false", "strict", "runtime"):
        properties = {}  # the user's fields, and no others
    properties = {**_besides(there, properties), **written}
    said = mappings.get("_meta", {}).get("scalelab", {})
    if known is None:
        # Of the same documents the same fields are searched, whichever came first this time.
        told = before.get("_meta", {}).get("scalelab", {})
        said = {**(told if told.get("corpus") == corpus else {}), **said}
    meta = meta if meta and known is not None else described(_merged(there, properties))
    meta = Meta(
        said.get("title", meta.title),
        tuple(said.get("fields", meta.fields)),
        tuple(said.get("facets", meta.facets)),
        said.get("date", meta.date),
    )
    return Schema(corpus, properties, meta, given.get("settings", {}), mappings)


def read(text: str, name: str) -> dict[str, Any]:
    """A user's mapping: ``{"mappings": {"properties": ...}}``, or what is below one of the two.

    Returns
    -------
    ``mappings`` with its ``properties``, and ``settings`` where it has some.

    Raises
    ------
    UsageError : it is no JSON, or says no types.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{name} is no JSON: {error}", "mend it there") from None
    if not isinstance(found, dict):
        raise UsageError(f"{name} is no JSON object", _EXAMPLE)
    if "mappings" not in found:
        inside = found if "properties" in found else {"properties": found}
        found = {"mappings": inside}
    mappings = found["mappings"]
    properties = mappings.get("properties") if isinstance(mappings, dict) else None
    if not isinstance(properties, dict) or not all(map(_is_map, properties.values())):
        raise UsageError(f"{name} does not say which field has which type", _EXAMPLE)
    return {key: found[key] for key in ("mappings", "settings") if key in found}


_EXAMPLE = 'for example: {"properties": {"title": {"type": "text"}, "year": {"type": "integer"}}}'


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


# --- what documents tell -------------------------------------------------------------------------


class _Seen:
    """What values of one field have been like."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.distinct: set[str] = set()
        self.longest = 0
        self.prose = self.spaces = self.spaced = False
        self.inner: dict[str, _Seen] = {}

    def look(self, value: Any, depth: int = 0) -> None:
        """Look at one more value."""
        if isinstance(value, list):
            for each in value:
                self.look(each, depth)
        elif isinstance(value, Mapping):
            self.kinds["object"] += 1
            if depth < _DEEPEST:
                for name, inner in value.items():
                    self._within(str(name), inner, depth)
        elif isinstance(value, bool):
            self.kinds["boolean"] += 1
        elif isinstance(value, int):
            self.kinds["long" if -_INT64 <= value < _INT64 else "double"] += 1
        elif isinstance(value, float):
            self.kinds["double"] += 1
        elif isinstance(value, str) and value:
            self._text(value)

    def _within(self, name: str, value: Any, depth: int) -> None:
        # A dot in a name makes objects of it, as the server does; a name it refuses is left to it.
        first, dot, rest = name.partition(".")
        if first.strip() and (rest.strip() or not dot):
            seen = self.inner.setdefault(first, _Seen())
            seen.look({rest: value} if dot else value, depth + 1)

    def _text(self, value: str) -> None:
        match = _DATE.fullmatch(value)
        if match and _is_date(value):
            self.kinds["date"] += 1
            self.spaced |= bool(match["spaced"])
        else:
            self.kinds["text"] += 1
        self.distinct.add(value[:SHORT])
        self.longest = max(self.longest, len(value))
        self.spaces |= " " in value
        self.prose |= "\n" in value or value.count(" ") >= _WORDY - 1

    def type(self) -> dict[str, Any] | None:
        """The type that fits all values; None where there were none."""
        kinds = set(self.kinds)
        if not kinds:
            return None
        scalars = sum(count for kind, count in self.kinds.items() if kind != "object")
        if self.kinds["object"] > scalars or kinds == {"object"}:
            return {"properties": _properties(self.inner)}
        kinds.discard("object")
        if kinds == {"date"}:
            return {"type": "date", **({"format": _SPACED} if self.spaced else {})}
        if kinds in ({"boolean"}, {"long"}):
            return {"type": kinds.pop()}
        if kinds <= {"long", "double"}:
            return {"type": "double"}
        return self._words()

    def _words(self) -> dict[str, Any]:
        repeated = len(self.distinct) <= _FEW * sum(self.kinds.values())
        if not self.prose and (repeated or not self.spaces):
            return {"type": "keyword", "ignore_above": _LONGEST_KEYWORD}
        if self.longest > SHORT:
            return {"type": "text", "analyzer": ANALYZER}
        return dict(TEXT)


def infer(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The types that some documents' fields have, so that all of them fit.

    Texts of several words are ``text``, with a ``keyword`` sub-field while they are short; values
    that repeat, or are one word, are ``keyword``; what mixes words and numbers is too.
    """
    root = _Seen()
    for document in documents:
        root.look(document)
    return _properties(root.inner)


def described(properties: Properties) -> Meta:
    """How documents of these types are best searched."""
    types = dict(flat(properties))
    words = [name for name, kind in types.items() if kind["type"] == "text"]
    whole = [name for name, kind in types.items() if kind["type"] == "keyword"]
    titles = [name for name in _TITLES if name in words] or [n for n in _TITLES if n in whole]
    title = titles[0] if titles else None
    searched = words or [name for name in whole if name not in _IDS]
    fields = tuple(f"{name}^3" if name == title else name for name in searched)
    counted = (name for name, kind in types.items() if kind["type"] in ("keyword", "boolean"))
    facets = tuple(name for name in counted if name not in _IDS and name != title)
    date = next((name for name, kind in types.items() if kind["type"] == "date"), None)
    return Meta(title, fields, facets, date)


def flat(properties: Properties, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each field with its dotted name and what the mapping says of it; objects by their fields."""
    for name, kind in properties.items():
        if "properties" in kind:
            yield from flat(kind["properties"], f"{prefix}{name}.")
        elif "type" in kind:
            yield f"{prefix}{name}", kind


def _properties(inner: Mapping[str, _Seen]) -> dict[str, Any]:
    types = ((name, seen.type()) for name, seen in inner.items())
    return {name: kind for name, kind in types if kind is not None}


def _besides(there: Properties, properties: Properties) -> dict[str, Any]:
    """The fields that are not there yet; of objects those inside."""
    found: dict[str, Any] = {}
    for name, kind in properties.items():
        if name not in there:
            found[name] = kind
            continue
        inner = _besides(there[name].get("properties", {}), kind.get("properties", {}))
        if inner and "properties" in there[name]:
            found[name] = {"properties": inner}
    return found


def _merged(one: Properties, other: Properties) -> dict[str, Any]:
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        if "properties" in one[name] and "properties" in other[name]:
            inner = _merged(one[name]["properties"], other[name]["properties"])
            merged[name] = {**other[name], "properties": inner}
    return merged


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _swapped(properties: Any, analyzer: str) -> Any:
    if not isinstance(properties, Mapping):
        return properties
    return {
        key: "standard"
        if value == analyzer and key in ("analyzer", "search_analyzer")
        else _swapped(value, analyzer)
        for key, value in properties.items()
    }


# --- what PostgreSQL needs -----------------------------------------------------------------------


def words(meta: Meta, document: Mapping[str, Any]) -> tuple[str, str]:
    """The text of a document's title, and that of the other fields that are searched."""
    names = [name.partition("^")[0] for name in meta.fields]
    title = meta.title if meta.title in names else None
    rest = (_text(_value(document, name.split("."))) for name in names if name != title)
    if not names:
        rest = (_text(value) for value in document.values())
    head = _text(_value(document, title.split("."))) if title else ""
    return head, "\n".join(filter(None, rest))


def _value(found: Any, path: list[str]) -> Any:
    if not path:
        return found
    if isinstance(found, list):
        return [_value(each, path) for each in found]
    if not isinstance(found, Mapping):
        return None
    whole = ".".join(path)  # a name may have dots itself
    return found[whole] if whole in found else _value(found.get(path[0]), path[1:])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(_text, value)))
    return ""
