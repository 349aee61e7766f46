"""An HTTP client with one connection, which another thread can abort."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx


class Connection:
    """Sends one request at a time.

    httpx has no limit for headers that arrive one by one, and closing a client from another thread does not
    end its reads. Shutting the socket down does, so this class records the socket when httpcore opens it. The
    thread of the request then closes the client.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.is_aborted = False
        self._client = client
        self._lock = threading.Lock()
        self._is_busy = False
        self._socket: socket.socket | None = None

    @contextmanager
    def stream(self, url: str, params: dict[str, Any]) -> Iterator[httpx.Response]:
        """Send a GET request; the `with` block reads its response."""
        with self._lock:
            if self.is_aborted:
                raise httpx.TransportError("the connection was aborted")
            self._is_busy = True
        trace = {"trace": self._record_socket}
        try:
            with self._client.stream("GET", url, params=params, extensions=trace) as response:
                yield response
        finally:
            with self._lock:
                self._is_busy = False
            if self.is_aborted:
                self.close()

    def abort(self) -> None:
        """End the request of another thread, which then raises an httpx.TransportError there."""
        with self._lock:
            self.is_aborted = True
            self._shut_socket()
        if not self._is_busy:
            self.close()

    def close(self) -> None:
        """Close the connection, if any."""
        self._client.close()

    def _record_socket(self, event: str, info: Mapping[str, Any]) -> None:
        """Record the socket of an event of httpcore; TLS replaces the one of TCP."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.is_aborted:
                    self._shut_socket()

    def _shut_socket(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is closed, or TLS is about to replace it
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
