"""The socket that a server listens on."""

import errno
import socket


class CannotListen(Exception):
    """The address can't be had; the message is one line for the operator."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken" if taken else error.strerror
        super().__init__(f"Cannot listen on {host} port {port}: {reason}.")
        self.host = host
        self.port = port
        self.is_taken = taken


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Bind, but do not listen yet: who connects before the start is complete is refused. Raises `CannotListen`.

    With `shared` (SO_REUSEPORT) other processes of this user may listen there too; the kernel spreads the connections.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotListen(host, port, error) from None
    return listener
