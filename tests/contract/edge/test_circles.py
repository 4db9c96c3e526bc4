"""A client's connection that is gone leaves nothing that would wait for the garbage collector."""

from tests.circles import watched
from tests.contract.edge.serving import echo, serving, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


async def test_connection_when_it_is_gone_then_nothing_of_it_is_in_a_circle() -> None:
    """After an answer, a refusal, and in the middle of a request; its timer knows it, and so does its parser."""
    async with serving(echo) as service:
        with watched() as left:
            for sent in (
                GET,
                POST,
                b"GET / HTTP/9.9\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            ):
                client = await service.connect()
                await client.send(sent)
                if sent is not POST:
                    await client.reply()
                client.leave()
                service.clients.clear()
                del client
            await until(lambda: not service.server.server_state.connections)
            assert {name: count for name, count in left().items() if name.startswith("freetheai_gateway.web")} == {}
