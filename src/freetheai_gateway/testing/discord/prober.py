"""What Discord and others try on an interactions endpoint: every way in which a signature can be wrong."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from freetheai_gateway.testing.discord.server import FakeDiscord

SIGNATURE, TIMESTAMP = b"x-signature-ed25519", b"x-signature-timestamp"
_OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as its headers say it was signed."""

    signature: bytes | None
    timestamp: bytes | None
    body: bytes

    @classmethod
    def of(cls, discord: FakeDiscord, body: bytes) -> Self:
        """Sign a body rightly, now."""
        timestamp = str(int(discord.clock.wall())).encode()
        return cls(discord.private_key.sign(timestamp + body).hex().encode(), timestamp, body)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that there are."""
        given = ((SIGNATURE, self.signature), (TIMESTAMP, self.timestamp))
        return [(name, value) for name, value in given if value is not None]


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to spoil a request that is signed rightly."""

    name: str
    spoil: Callable[[Signed], Signed]


def _signature(change: Callable[[bytes], bytes | None]) -> Callable[[Signed], Signed]:
    return lambda signed: replace(signed, signature=change(signed.signature or b""))


def _timestamp(change: Callable[[bytes], bytes | None]) -> Callable[[Signed], Signed]:
    return lambda signed: replace(signed, timestamp=change(signed.timestamp or b""))


def _body(change: Callable[[bytes], bytes]) -> Callable[[Signed], Signed]:
    return lambda signed: replace(signed, body=change(signed.body))


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _by_another(signed: Signed) -> Signed:
    return replace(signed, signature=_OTHER_KEY.sign((signed.timestamp or b"") + signed.body).hex().encode())


PROBES = (
    Probe("no signature", _signature(lambda _: None)),
    Probe("no timestamp", _timestamp(lambda _: None)),
    Probe("empty signature", _signature(lambda _: b"")),
    Probe("empty timestamp", _timestamp(lambda _: b"")),
    Probe("short signature", _signature(lambda value: value[:-2])),
    Probe("odd signature", _signature(lambda value: value[:-1])),
    Probe("long signature", _signature(lambda value: value + b"00")),
    Probe("signature that is no hex", _signature(lambda value: b"zz" + value[2:])),
    Probe("signature with spaces", _signature(lambda value: b"  " + value[2:])),
    Probe("signature that is not ASCII", _signature(lambda value: b"\xff\xfe" + value[2:])),
    Probe("signature of zeros", _signature(lambda _: b"0" * 128)),
    Probe("another key", _by_another),
    Probe("flipped bit of the body", _body(_flip)),
    Probe("empty body", _body(lambda _: b"")),
    Probe("another timestamp", _timestamp(lambda value: str(int(value) + 1).encode())),
    Probe("timestamp that is no number", _timestamp(lambda _: b"now")),
    Probe("timestamp that is not ASCII", _timestamp(lambda _: b"\xe2\x82\xac")),
    Probe("timestamp without end", _timestamp(lambda value: value * 50)),
)
