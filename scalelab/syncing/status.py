"""What a syncer says of itself, over HTTP: ``GET /`` on the address it listens at."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import asdict, dataclass


@dataclass
class Status:
    """How it stands; written by the loop, read by whoever asks.

    Attributes
    ----------
    ready : whether it has ever got so far as to follow the table.
    applied, refused, rejected : changes since it was started: in the index; old news there; never
        to be taken by it (listed in ``sync_rejected``).
    position : how far it has come, in its strategy's own terms.
    lag_ms : how old the last changes were when the index had them.
    wal_kept_bytes : of the log kept for it now; ``wal_kept_peak_bytes``: at most since it runs.
    problem : why it does not get on just now; "" where it does.
    """

    strategy: str
    ready: bool = False
    applied: int = 0
    refused: int = 0
    rejected: int = 0
    position: str = ""
    lag_ms: float = 0.0
    wal_kept_bytes: int = 0
    wal_kept_peak_bytes: int = 0
    problem: str = ""

    def keeps(self, bytes_: int) -> None:
        """So much of the log is kept now."""
        self.wal_kept_bytes = bytes_
        self.wal_kept_peak_bytes = max(self.wal_kept_peak_bytes, bytes_)


def serve(status: Status, host: str, port: int) -> http.server.ThreadingHTTPServer:
    """Answer from a thread of its own from now on: 503 as long as it is not ready.

    Raises
    ------
    OSError : the address is taken.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            text = (json.dumps(asdict(status)) + "\n").encode()
            self.send_response(200 if status.ready else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
