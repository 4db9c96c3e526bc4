"""Where a feature does not come through whole, and why: the table of `docs/dialects.md`, tested cell by cell."""

from dataclasses import dataclass
from enum import StrEnum

CHAT, MESSAGES, RESPONSES, GEMINI = "openai_chat", "anthropic_messages", "openai_responses", "gemini"
CLIENTS = (CHAT, MESSAGES, RESPONSES)
UPSTREAMS = (CHAT, MESSAGES, RESPONSES, GEMINI)
SHORT = {CHAT: "chat", MESSAGES: "messages", RESPONSES: "responses", GEMINI: "gemini"}
"""The dialects as tests and tables call them."""


class Verdict(StrEnum):
    """What becomes of a feature."""

    DROPPED = "dropped"
    """The request goes on without it and `x-gateway-dropped` names it."""
    EMULATED = "emulated"
    """It arrives in another form."""
    LOST = "lost"
    """A detail of the reply can't be told."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: in this scenario, for these clients and upstreams."""

    scenario: str
    clients: tuple[str, ...]
    upstreams: tuple[str, ...]
    verdict: Verdict
    what: str
    because: str
    field: str = ""
    """What `x-gateway-dropped` says."""


LIMITS: tuple[Limit, ...] = (
    Limit(
        "stop sequence",
        (CHAT, MESSAGES),
        (RESPONSES,),
        Verdict.DROPPED,
        "`stop`, `stop_sequences`",
        "the Responses API has no stop sequences",
        field="stop",
    ),
    Limit(
        "stop sequence",
        (RESPONSES,),
        (CHAT, MESSAGES, GEMINI),
        Verdict.DROPPED,
        "`stop`",
        "the Responses API has no such parameter; a client that sends it all the same is told that it was left out",
        field="stop",
    ),
    Limit(
        "stop sequence",
        (MESSAGES,),
        (CHAT, RESPONSES, GEMINI),
        Verdict.LOST,
        "which `stop_sequence` ended the reply",
        "only Messages tells it; the reply says `end_turn`",
    ),
    Limit(
        "tool result with image",
        (CHAT,),
        UPSTREAMS,
        Verdict.EMULATED,
        "the image, which the client sends in a user message after the results",
        "tool messages of Chat Completions hold text only",
    ),
    Limit(
        "tool result with image",
        (MESSAGES, RESPONSES),
        (CHAT,),
        Verdict.EMULATED,
        "the image goes into a user message after the results, which say so",
        "tool messages of Chat Completions hold text only",
    ),
    Limit(
        "failed tool",
        (CHAT, RESPONSES),
        UPSTREAMS,
        Verdict.LOST,
        "that the tool failed, unless its text says so",
        "only Messages has a mark for it",
    ),
    Limit(
        "failed tool",
        (MESSAGES,),
        (CHAT, RESPONSES),
        Verdict.EMULATED,
        "`ERROR: ` stands before the result",
        'only Messages has a mark for it; Gemini gets `{"error": …}`',
    ),
    Limit(
        "thinking across two turns",
        CLIENTS,
        (CHAT,),
        Verdict.EMULATED,
        "thinking goes back as `reasoning_content`, where the model's `quirks.reasoning_replay` is set",
        "Chat Completions has no signatures",
    ),
)


def limits_of(scenario: str, client: str, upstream: str) -> list[Limit]:
    """Find the rows that hold for a cell."""
    return [
        limit
        for limit in LIMITS
        if limit.scenario == scenario and client in limit.clients and upstream in limit.upstreams
    ]
