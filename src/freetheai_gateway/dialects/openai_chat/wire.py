"""The parts of Chat Completions that the gateway reads. Everything else passes as the bytes it came in.

Source: OpenAI API reference, "Chat Completions" and "Streaming"; the leniencies are what compatible upstreams do.
"""

import msgspec

from freetheai_gateway.dialects.openai_chat.usage import read_groq, read_usage
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import InvalidJSON, Raw, ReplyDecoder

ABSENT = Raw()
"""A raw field that is not there; a union of `Raw` and `None` can't be decoded."""


class Message(msgspec.Struct):
    """A message or a delta: only whether it holds content matters here."""

    content: Raw = ABSENT
    refusal: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT
    audio: Raw = ABSENT

    def has_content(self) -> bool:
        """Whether any field holds something that a person or a tool would use."""
        if bytes(self.content) not in _EMPTY:
            return True
        others = (
            self.tool_calls,
            self.reasoning_content,
            self.reasoning,
            self.refusal,
            self.function_call,
            self.audio,
        )
        return any(bytes(field) not in _EMPTY for field in others)


_EMPTY = frozenset({b"", b'""', b"null", b"[]", b"{}"})


class Choice(msgspec.Struct):
    """A choice of a whole reply or of a chunk; some upstreams send neither message nor delta."""

    message: Message | None = None
    delta: Message | None = None
    finish_reason: object = None
    usage: Raw = ABSENT
    error: Raw = ABSENT


class Reply(msgspec.Struct):
    """A whole reply or one chunk."""

    model: object = None
    choices: list[Choice] | None = None
    usage: Raw = ABSENT
    x_groq: Raw = ABSENT
    error: Raw = ABSENT
    base_resp: Raw = ABSENT

    @property
    def model_name(self) -> str | None:
        """The model, where it is named."""
        return self.model if isinstance(self.model, str) else None

    def failed(self) -> bool:
        """Whether the upstream reports an error here, by the rule of the official SDK: any truthy `error`.

        OpenRouter also puts it into the choice, MiniMax into `base_resp`.
        """
        if self.error is not ABSENT and bytes(self.error) not in FALSY:
            return True
        if self.base_resp is not ABSENT and says_failure(self.base_resp):
            return True
        for choice in self.choices or ():  # noqa: SIM110 - `any` over a generator costs three times as much
            if choice.error is not ABSENT and bytes(choice.error) not in FALSY:
                return True
        return False

    def has_content(self) -> bool:
        """Whether any choice holds content."""
        for choice in self.choices or ():
            part = choice.message or choice.delta
            if part is not None and part.has_content():
                return True
        return False

    def told_usage(self) -> Usage | None:
        """Give usage, wherever it stands."""
        found = read_usage(self.usage) or read_groq(self.x_groq)
        for choice in self.choices or () if found is None else ():
            found = found or read_usage(choice.usage)
        return found[0] if found is not None else None


class _Odd(msgspec.Struct):
    """A reply whose choices are of no documented shape."""

    model: object = None
    choices: Raw = ABSENT
    usage: Raw = ABSENT
    x_groq: Raw = ABSENT
    error: Raw = ABSENT


FALSY = frozenset({b"", b"null", b"false", b"0", b'""', b"[]", b"{}"})


def says_failure(base_resp: Raw) -> bool:
    """Whether MiniMax says by a code of its own, on status 200, that there is no reply."""
    try:
        return _decode_base(base_resp).status_code != 0
    except InvalidJSON:
        return False


class _Base(msgspec.Struct):
    """`base_resp`."""

    status_code: int = 0


_decode_base: ReplyDecoder[_Base] = ReplyDecoder(_Base)
_decode_reply: ReplyDecoder[Reply] = ReplyDecoder(Reply)
_decode_odd: ReplyDecoder[_Odd] = ReplyDecoder(_Odd)


def decode_reply(data: bytes) -> Reply:
    """Decode; of choices of another shape only that they are there is seen: they are the client's to read.

    Raises `InvalidJSON`, also where `choices` is no list.
    """
    try:
        return _decode_reply(data)
    except InvalidJSON:
        odd = _decode_odd(data)
        if not bytes(odd.choices).startswith(b"["):
            raise
        return Reply(odd.model, [], odd.usage, odd.x_groq, odd.error)
