"""How long does the report take on more servers?"""


def seconds(measured: list[list[float]], servers: int) -> float:
    """How long the report takes on so many servers.

    measured: pairs of [servers, seconds].
    """
    return 0.0
