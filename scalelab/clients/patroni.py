"""PostgreSQL under Patroni: for the hot loop a PostgreSQL like any other."""

from scalelab.clients.postgres import Connection

__all__ = ["Connection"]
