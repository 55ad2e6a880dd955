"""Processes that stop at a step until the test lets them go on.

`halt_at` does it to the process that calls it. As a program this is a courier that
stops where the environment of the server that started it says.
"""

import json
import os
import runpy
import socket

from sluice_server.credentials.oauth import renewal, store
from sluice_server.credentials.oauth.courier import dispatch

VARIABLE = "HALT"


def connect(port: int, **said: object) -> socket.socket:
    """Tell the test who we are, on a connection that ends with this process."""
    connection = socket.create_connection(("127.0.0.1", port))
    tell(connection, pid=os.getpid(), **said)
    return connection


def tell(connection: socket.socket, **said: object) -> None:
    """Say something to the test."""
    connection.sendall(json.dumps(said).encode() + b"\n")


def halt_at(port: int, step: str, number: int) -> None:
    """Stop when this step is taken for the nth time, and tell the test."""
    left = number

    def reached(name: str) -> None:
        nonlocal left
        left -= name == step
        if name == step and left == 0:
            with connect(port, halted=step) as connection:
                connection.recv(1)

    dispatch._step = renewal._step = store._step = reached


if __name__ == "__main__":
    halt_at(**json.loads(os.environ[VARIABLE]))
    runpy.run_module("sluice_server.credentials.oauth.courier", run_name="__main__")
