"""The reader of each upstream dialect's requests."""

from collections.abc import Callable

from tests.matrix.limits import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.matrix.seen import Seen
from tests.matrix.seen_gemini import read_gemini
from tests.matrix.seen_messages import read_messages
from tests.matrix.seen_openai import read_chat, read_responses

READERS: dict[str, Callable[[bytes], Seen]] = {
    CHAT: read_chat,
    MESSAGES: read_messages,
    RESPONSES: read_responses,
    GEMINI: read_gemini,
}
