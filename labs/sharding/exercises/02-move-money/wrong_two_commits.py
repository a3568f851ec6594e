"""A transaction on each shard, and two commits: who dies in between loses money."""


def transfer(shards, source, target, amount):
    giver, taker = shards[source % len(shards)], shards[target % len(shards)]
    giver.execute("BEGIN")
    giver.execute("UPDATE account SET balance = balance - %s WHERE id = %s", (amount, source))
    taker.execute("BEGIN")
    taker.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (amount, target))
    giver.execute("COMMIT")
    taker.execute("COMMIT")


def recover(shards):
    pass
