"""Which replica to promote?"""


def promote(replicas: list[dict], acknowledged: list[list]) -> dict:
    """Whom to promote, and what is lost with that: {"promote": name, "lost": [writes]}."""
    return {"promote": replicas[0]["name"], "lost": []}
