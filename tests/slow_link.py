"""A slow line between a client and a server on this machine, which counts what the client asks."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time


class SlowLink:
    """Passes on what one client and the server at a port say to each other, later.

    Attributes
    ----------
    port : where the client connects to.
    delay : seconds that everything takes in each direction; settable at any time.
    asked : how many times the client has sent something.
    """

    def __init__(self, server_port: int) -> None:
        self.delay = 0.0
        self.asked = 0
        self._server_port = server_port
        self._listener = socket.create_server(("localhost", 0))
        self.port = self._listener.getsockname()[1]
        self._ends = [self._listener]
        _start(self._connect)

    def close(self) -> None:
        for end in self._ends:
            end.close()

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("localhost", self._server_port))
        self._ends += [client, server]
        _start(self._pass_on, client, server, self._count)
        _start(self._pass_on, server, client, lambda: None)

    def _count(self) -> None:
        self.asked += 1

    def _pass_on(self, source, target, note) -> None:
        waiting = queue.Queue()
        _start(_send, waiting, target)
        while data := source.recv(1 << 20):
            note()
            waiting.put((time.monotonic() + self.delay, data))


def _send(waiting, target) -> None:
    while True:
        due, data = waiting.get()
        time.sleep(max(0.0, due - time.monotonic()))
        target.sendall(data)


def _start(work, *arguments) -> None:
    threading.Thread(target=_quietly, args=(work, *arguments), daemon=True).start()


def _quietly(work, *arguments) -> None:
    """A line that is cut says nothing."""
    with contextlib.suppress(OSError):
        work(*arguments)
