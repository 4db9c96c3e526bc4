"""`POST /discord/interactions`: Discord's signature first, on the bytes as they came, everything else after it.

Whatever is wrong with signature or timestamp is answered alike, 401 with one constant body: Discord probes for it
(Discord's documentation, "Setting up an endpoint").
"""

import re
from collections.abc import Awaitable, Callable

from freetheai_gateway.clock import Clock
from freetheai_gateway.web.request import Request, read_body
from freetheai_gateway.web.response import Response

MAX_BODY_BYTES = 1024 * 1024
WINDOW_S = 300.0
"""How far a timestamp may be from our clock, either way; 0 = as far as it likes."""
_JSON = ((b"content-type", b"application/json"),)
_REFUSAL = b'{"message":"invalid request signature"}'
_SIGNATURE = re.compile(rb"[0-9a-fA-F]{128}")
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")

AnswerInteraction = Callable[[bytes], Awaitable[tuple[bytes, Callable[[], None]]]]


class InteractionsRoute:
    """Verifies, hands the body on, and starts what follows when the first answer is on its way."""

    def __init__(self, public_key: str, answer: AnswerInteraction, clock: Clock, *, window_s: float = WINDOW_S) -> None:
        self._is_good = _verifier(bytes.fromhex(public_key))
        self._answer = answer
        self._clock = clock
        self._window_s = window_s

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer one interaction."""
        body = await read_body(request, MAX_BODY_BYTES)
        if not self._is_signed(request, body):
            await response.send_whole(401, _JSON, _REFUSAL)
            return
        answer, afterwards = await self._answer(body)
        await response.send_whole(200, _JSON, answer)
        afterwards()

    def _is_signed(self, request: Request, body: bytes) -> bool:
        signature, timestamp = request.header(b"x-signature-ed25519"), request.header(b"x-signature-timestamp")
        if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
            return False
        if not self._is_good(bytes.fromhex(signature.decode()), timestamp + body):
            return False
        return not self._window_s or abs(self._clock.wall() - int(timestamp)) <= self._window_s


def _verifier(public_key: bytes) -> Callable[[bytes, bytes], bool]:
    """Give what tells a good signature of a message (RFC 8032)."""
    # 40 ms and 6 MB that a gateway without Discord need not spend.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    key = Ed25519PublicKey.from_public_bytes(public_key)

    def is_good(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return is_good
