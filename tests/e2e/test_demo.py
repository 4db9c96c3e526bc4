"""`freetheai discord demo`: a newcomer without Discord signs up in a terminal, with a gateway of their own."""

import pytest

from freetheai_gateway.cli.commands import run
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.services.ports import Origin, UpstreamRequest
from freetheai_gateway.testing.discord.demo import run_demo
from freetheai_gateway.upstream.http1 import Http1Client
from tests.e2e.gateway import Object
from tests.skipping import need_local_model

pytestmark = pytest.mark.local_model
MOST_ACTIONS = 4
TWO_MINUTES_S = 120.0


@pytest.fixture(autouse=True)
def local_model() -> None:
    need_local_model()


_decode_object: Decoder[Object] = Decoder(Object)


def test_demo_when_nobody_types_then_four_actions_lead_to_the_first_word_and_one_key_opens_everything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Chat, streaming, Messages, catalogue, generation and edit, each answered 200."""
    assert run(["discord", "demo", "--json"]) == 0
    said = capsys.readouterr()
    done = _decode_object(said.out)
    assert done["actions"] == MOST_ACTIONS
    assert 0 < float(str(done["seconds_to_first_word"])) < TWO_MINUTES_S
    steps = done["steps"]
    assert isinstance(steps, list)
    assert [step["step"] for step in steps] == ["chat", "streaming", "Messages", "catalogue", "generation", "edit"]
    assert {step["status"] for step in steps} == {200}
    assert "only you can see this" in said.err
    assert "fta_" not in said.out


class Fumbler:
    """A person who begins with something else, writes too little, answers wrongly, and looks at pages at the end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.said: list[str] = []
        self.pages: list[int] = []
        self._typed = ["hello", "", "no", "x", "", "", "a wrong answer", ""]

    async def type(self, prompt: str, suggestion: str) -> str:
        self.asked.append(prompt)
        if prompt.startswith("Press Enter"):
            await self._look()
        typed = self._typed.pop(0) if self._typed else ""
        return typed or suggestion

    async def _look(self) -> None:
        """Open the pages that the last line names."""
        port = int(self.said[-1].partition("127.0.0.1:")[2].partition("/")[0])
        client = Http1Client()
        for path in ("/account", "/admin", "/login"):
            request = UpstreamRequest("GET", Origin("http", "127.0.0.1", port), path, ((b"accept", b"text/html"),))
            reply = await client.send(request)
            self.pages.append(reply.status)
            reply.close()
        await client.aclose()


async def test_demo_when_a_person_fumbles_then_they_are_told_and_get_there_all_the_same() -> None:
    """What Discord's client would not send is asked for again; a wrong answer gives another form by a button."""
    fumbler = Fumbler()
    done = await run_demo(fumbler, fumbler.said.append, stays=True)
    said = "\n".join(fumbler.said)
    assert "Members begin with /signup" in said
    assert "not sent: use" in said
    assert "That was not the answer" in said
    assert done.actions == MOST_ACTIONS + 1
    assert fumbler.pages == [200, 200, 303]
