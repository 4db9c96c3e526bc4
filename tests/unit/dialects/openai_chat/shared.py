"""Short ways to feed a reply, to build a client's view, and to read what was rendered with the official SDK."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion, ParsedChatCompletion

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import ClientView, RenderedRequest
from freetheai_gateway.domain.conversation import Conversation, Role, Text, Turn
from freetheai_gateway.domain.events import Event, Reply, fold
from freetheai_gateway.jsonc import decode_any, encode

CHAT = OpenAIChat()
ALIAS = "glm/glm-5.1"
HELLO = Turn(Role.USER, (Text("hi"),))


def conversation(*turns: Turn, dialect: str = "anthropic_messages", **changes: Any) -> Conversation:
    """Build a conversation that came in another dialect."""
    return replace(Conversation(model=ALIAS, turns=turns or (HELLO,), dialect=dialect), **changes)


def view(**changes: Any) -> ClientView:
    """Build a client's view; the changes are fields of its request."""
    request = conversation(**{"dialect": "openai_chat", "streamed": True, "usage_asked": True, **changes})
    return ClientView(ALIAS, "01J0", 1_795_397_400, request, input_tokens_estimate=12)


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    """Build a chunk with one choice."""
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice]}


def call(index: int | None = None, arguments: object = "", **more: Any) -> dict[str, object]:
    """Build a piece of a tool call; `name` goes into its function."""
    function = {"arguments": arguments} | ({"name": more.pop("name")} if "name" in more else {})
    place = {} if index is None else {"index": index}
    return {**place, "function": function, **more}


def calls(*pieces: object, finish: str | None = None) -> dict[str, object]:
    """Build a chunk with pieces of tool calls."""
    return delta(finish, tool_calls=list(pieces))


def sse(*chunks: object, done: bool = True) -> bytes:
    """Write chunks as a stream."""
    events = [b"data: " + (chunk if isinstance(chunk, bytes) else encode(chunk)) + b"\n\n" for chunk in chunks]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


def events_of(stream: bytes, names: dict[str, str] | None = None) -> list[Event]:
    """Read a whole stream at once."""
    parser = CHAT.reply_parser(RenderedRequest(b"", names=names or {}))
    events = parser.feed(stream)
    return events + parser.finish()


def reply_of(*chunks: object, done: bool = True) -> Reply:
    """Read chunks and fold the events."""
    reply = fold(events_of(sse(*chunks, done=done)))
    assert reply is not None
    return reply


def stream_of(events: Sequence[Event], seen: ClientView | None = None) -> bytes:
    """Render events as a client's stream."""
    renderer = CHAT.reply_renderer(seen or view())
    return renderer.render(events) + renderer.final()


def chunks_of(stream: bytes) -> list[Any]:
    """Decode the chunks of a stream, without its terminator."""
    *events, last = stream.removesuffix(b"\n\n").split(b"\n\n")
    assert last == b"data: [DONE]"
    return [decode_any(event.removeprefix(b"data: ")) for event in events]


def _sdk(content: bytes, kind: str) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=content)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://x", http_client=http, max_retries=0)


def with_sdk(content: bytes, kind: str, use: Callable[[openai.OpenAI], Any]) -> Any:
    """Call the official SDK over a transport that answers with these bytes."""
    with _sdk(content, kind) as client:
        return use(client)


def accumulated(stream: bytes) -> ParsedChatCompletion[None]:
    """Read a stream with the SDK's own accumulator; its snapshot, since it raises at some finish reasons."""

    def use(client: openai.OpenAI) -> Any:
        with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as events:
            for _ in events:
                pass
            return events.current_completion_snapshot

    completion: ParsedChatCompletion[None] = with_sdk(stream, "text/event-stream", use)
    return completion


def whole(body: bytes) -> ChatCompletion:
    """Read a whole reply with the SDK, its types checked."""
    ask = with_sdk(
        body,
        "application/json",
        lambda client: client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}]),
    )
    return ChatCompletion.model_validate(ask.model_dump())
