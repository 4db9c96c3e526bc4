"""The disconnect callback."""

from freetheai_gateway.web.edge.connection import EdgeConnection


def test_callback_when_the_client_is_lost_twice_then_it_is_called_once() -> None:
    """A refusal and the end of the connection may both say so."""
    calls = []
    connection = EdgeConnection()
    connection.on_disconnect(lambda: calls.append(1))
    connection.lose()
    connection.lose()
    assert calls == [1]
    assert connection.disconnected


def test_callback_when_replaced_or_removed_then_the_earlier_one_is_not_called() -> None:
    """Only the last word holds."""
    calls = []
    connection = EdgeConnection()
    connection.on_disconnect(lambda: calls.append("first"))
    connection.on_disconnect(lambda: calls.append("second"))
    connection.lose()
    assert calls == ["second"]
    removed = EdgeConnection()
    removed.on_disconnect(lambda: calls.append("third"))
    removed.on_disconnect(None)
    removed.lose()
    assert calls == ["second"]
