"""All options, and the requests that they are added to."""

from tests.matrix.limits import CHAT, MESSAGES, RESPONSES
from tests.matrix.option import Body, Option
from tests.matrix.options_chat import CHAT_OPTIONS
from tests.matrix.options_messages import MESSAGES_OPTIONS
from tests.matrix.options_responses import RESPONSES_OPTIONS

BASES: dict[str, Body] = {
    CHAT: {"model": "test/model", "messages": [{"role": "user", "content": "Hi."}]},
    MESSAGES: {"model": "test/model", "max_tokens": 20_000, "messages": [{"role": "user", "content": "Hi."}]},
    RESPONSES: {"model": "test/model", "input": "Hi."},
}
OPTIONS: tuple[Option, ...] = CHAT_OPTIONS + MESSAGES_OPTIONS + RESPONSES_OPTIONS
