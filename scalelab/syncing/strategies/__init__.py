"""How a syncer notices what changed: one strategy a file, its file name is what it is called."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from scalelab.errors import UnknownName
from scalelab.syncing.changes import Change

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True)
class Taken:
    """Changes that were taken and are not let go of yet.

    Parameters
    ----------
    position : how far that is, in the strategy's own terms; None where there was nothing to take.
    more : there may be more at once.
    """

    changes: Sequence[Change]
    position: str | None = None
    more: bool = False


class Strategy(Protocol):
    """One way to notice changes. A file's ``STRATEGY`` is an instance."""

    def prepare(self, connection: psycopg.Connection) -> bool:
        """Make what it needs in the database; harmless where that is there.

        Returns
        -------
        Whether changes were missed (it begins only now): then both sides have to be compared.
        """

    def take(self, connection: psycopg.Connection, limit: int) -> Taken:
        """The next changes, about so many, in a transaction that is open until they are written."""

    def let_go(self, connection: psycopg.Connection, taken: Taken) -> None:
        """They are in the index: never take them again. In that same transaction."""

    def kept(self, connection: psycopg.Connection) -> int | None:
        """Bytes of the log that the database keeps for it; None where it keeps none."""


def names() -> list[str]:
    """Every strategy there is."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Strategy:
    """The strategy of this name.

    Raises
    ------
    UnknownName : there is none.
    """
    if name not in names():
        raise UnknownName("strategy", name, names())
    return cast(Strategy, importlib.import_module(f"{__name__}.{name}").STRATEGY)
