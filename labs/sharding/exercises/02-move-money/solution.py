"""Two-phase commit, with a note on each shard that is kept or lost with the change itself."""

import uuid


def transfer(shards, source: int, target: int, amount: int) -> None:
    """Take the amount from the source account and give it to the target account."""
    name = uuid.uuid4().hex
    changes = {source: -amount, target: amount}
    homes = [shards[account % len(shards)] for account in changes]
    for (account, change), shard in zip(changes.items(), homes, strict=True):
        shard.execute("BEGIN")
        shard.execute("INSERT INTO note VALUES (%s, 'done')", (name,))
        shard.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (change, account))
    for shard in homes:
        shard.execute(f"PREPARE TRANSACTION '{name}'")
    for shard in homes:
        shard.execute(f"COMMIT PREPARED '{name}'")


def recover(shards) -> None:
    """Settle whatever earlier transfers left unfinished.

    A note that can be seen was committed: then both had prepared, and the other one may commit.
    Without one, nobody has committed and nobody will: all roll back.
    """
    prepared = [
        [name for (name,) in shard.execute("SELECT gid FROM pg_prepared_xacts")] for shard in shards
    ]
    for name in {name for names in prepared for name in names}:
        seen = "SELECT FROM note WHERE name = %s"
        decided = any(shard.execute(seen, (name,)).fetchone() is not None for shard in shards)
        for shard, names in zip(shards, prepared, strict=True):
            if name in names:
                shard.execute(f"{'COMMIT' if decided else 'ROLLBACK'} PREPARED '{name}'")
