"""Binding, and the one line that says why it failed."""

import pytest

from freetheai_gateway.web.edge.listener import CannotListen, bind


def test_bind_when_the_port_is_0_then_the_system_chooses() -> None:
    """The port is known before anyone can connect."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_bind_when_the_port_is_taken_then_the_error_names_it() -> None:
    """One line, without a traceback's worth of words."""
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(
            CannotListen, match=f"^Cannot listen on 127.0.0.1 port {port}: the port is taken.$"
        ) as raised:
            bind("127.0.0.1", port)
        assert (raised.value.port, raised.value.is_taken) == (port, True)


def test_bind_when_the_address_is_not_ours_then_the_error_says_so() -> None:
    """192.0.2.1 is reserved for documentation (RFC 5737)."""
    with pytest.raises(CannotListen, match=r"^Cannot listen on 192\.0\.2\.1 port 8000: ") as raised:
        bind("192.0.2.1", 8000)
    assert not raised.value.is_taken
