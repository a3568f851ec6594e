"""Money from shard to shard, whatever dies."""


def transfer(shards, source: int, target: int, amount: int) -> None:
    """Take the amount from the source account and give it to the target account."""


def recover(shards) -> None:
    """Settle whatever earlier transfers left unfinished."""
