"""Commits whatever is in doubt, also where the other shard never came so far."""

import uuid


def transfer(shards, source, target, amount):
    name = uuid.uuid4().hex
    giver, taker = shards[source % len(shards)], shards[target % len(shards)]
    for shard, account, change in ((giver, source, -amount), (taker, target, amount)):
        shard.execute("BEGIN")
        shard.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (change, account))
        shard.execute(f"PREPARE TRANSACTION '{name}'")
    for shard in (giver, taker):
        shard.execute(f"COMMIT PREPARED '{name}'")


def recover(shards):
    for shard in shards:
        for (name,) in shard.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
            shard.execute(f"COMMIT PREPARED '{name}'")
