"""Keeps an Elasticsearch index as a PostgreSQL table is: a program of its own, and a pattern.

Read it in this order: ``changes`` (what is carried), ``index`` (how it is written so that order
and repetition do not matter), ``strategies`` (how changes are noticed: by timestamp, by an outbox,
by logical decoding), ``loop`` (take, write, and only then let go), ``rebuild`` and ``compare``.
"""
