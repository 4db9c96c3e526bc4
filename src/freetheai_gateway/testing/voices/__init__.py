"""The four vendors' APIs as voices: one scripted answer, said as each of them documents it.

Every module has the same four functions: `whole` and `events` say an answer, `failure` an HTTP error, `broken_event`
a failure in mid-stream; and each knows the requests that its vendor refuses (`complaints`). They are written from the
vendors' references alone and know nothing of the gateway's own translators, whose judges they are.
"""

from freetheai_gateway.testing.voices import chat, gemini, messages, responses
from freetheai_gateway.testing.voices.answer import Answer, Asked, Call, Ending, Spent, Trouble
from freetheai_gateway.testing.voices.voice import Failure, Voice

__all__ = ["VOICES", "Answer", "Asked", "Call", "Ending", "Failure", "Spent", "Trouble", "Voice"]

VOICES = {voice.name: voice for voice in (chat.VOICE, messages.VOICE, responses.VOICE, gemini.VOICE)}
"""By the names of the dialects: `openai_chat`, `anthropic_messages`, `openai_responses`, `gemini`."""
