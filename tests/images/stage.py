"""The image routes of one process between scripted providers: real ASGI, limits, adapters and files, no socket."""

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from freetheai_gateway.app.images import ImageServices, build_images, image_routes, make_image_maker
from freetheai_gateway.app.offers import build_offer
from freetheai_gateway.clock import Clock, SystemClock
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.accounts import Account, Caller
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.domain.images import Picture
from freetheai_gateway.ids import key_digest, new_key
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.image_ports import ImageMaker
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import UpstreamRequest
from freetheai_gateway.settings.defaults import OFFICIAL_BASE_URLS
from freetheai_gateway.settings.load import load
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.image_vendors import VENDORS, ImageVendor
from freetheai_gateway.testing.ports import FakeReply, MemoryLedger, RecordingLog, StaticKeyLookup
from freetheai_gateway.upstream.images.calls import Pace
from freetheai_gateway.upstream.providers import HTTPProvider
from freetheai_gateway.web.asgi import GatewayASGI
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.routes import Router

Object = dict[str, object]
Headers = tuple[tuple[bytes, bytes], ...]
read_object: Decoder[Object] = Decoder(Object)
FAST = Pace(first_s=0.001, most_s=0.001)
JSON: Headers = ((b"content-type", b"application/json"),)
VENDOR_KEY = "vendor-secret"
MAX_BODY_BYTES = 33_554_432


class Vendors:
    """Implements `UpstreamClient`: hands every request to the fake whose address it names, and keeps it."""

    def __init__(self, picture: Picture) -> None:
        self.fakes: dict[str, ImageVendor] = {
            urlsplit(OFFICIAL_BASE_URLS[api]).hostname or "": make(picture.data, "good")
            for api, make in VENDORS.items()
        }
        self.requests: list[UpstreamRequest] = []
        self._delivery = ImageVendor(picture.data)

    async def send(self, request: UpstreamRequest) -> FakeReply:
        """Answer as the vendor does; results lie at an address of their own."""
        self.requests.append(request)
        return await self.fakes.get(request.origin.host, self._delivery).send(request)

    async def aclose(self) -> None:
        """Nothing is open."""


class Stage:
    """A gateway whose image routes can be called; every account is without limits unless it is given a tier."""

    def __init__(self, settings: Settings, vendors: Vendors, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.vendors = vendors
        self.ledger = MemoryLedger()
        self.limiter = MemoryLimiter(self.clock)
        offer = build_offer(settings, {}, client=vendors)
        makers = {name: self._quick(settings, name, maker) for name, maker in offer.image_makers.items()}
        directory = Directory(dataclasses.replace(offer, image_makers=makers))
        observer = Observer(Metrics(), Thresholds(), self.clock)
        self.services: ImageServices = build_images(
            settings,
            directory,
            Admission(self.limiter, RefusalGuard(), self.clock),
            self.ledger,
            clock=self.clock,
            observe=observer.finished,
        )
        self._keys = StaticKeyLookup()
        self.crowd = Crowd()
        chat = OpenAIChat()
        authenticator = Authenticator(self._keys, directory)
        self.log = RecordingLog()
        self._asgi = GatewayASGI(
            Router(image_routes(self.services, authenticator, MAX_BODY_BYTES, self.crowd, chat)),
            chat,
            self.clock,
            self.log,
            lambda _line: None,
            observer=observer,
            cross_origin=CrossOrigin(()),
            keepalive_s=15.0,
        )

    def _quick(self, settings: Settings, name: str, maker: ImageMaker) -> ImageMaker:
        """Make the adapter of a provider that polls without pauses."""
        (provider,) = [each for each in settings.providers if each.name == name]
        if provider.api not in VENDORS:
            return maker
        http = build_offer(settings, {}).providers[name]
        assert isinstance(http, HTTPProvider)
        return make_image_maker(provider.api, http, self.vendors, self.clock, FAST)

    def member(self, name: str, *, tier: int | None = None) -> str:
        """Open an account; returns its key."""
        key = new_key()
        account = Account(f"acc_{name}", name, 0.0, tier_override=tier, unlimited=tier is None)
        self._keys.callers[key_digest(key)] = Caller(f"key_{name}", key[:8], account)
        return key

    def adopt(self, other: "Stage") -> None:
        """Know the accounts of another process."""
        self._keys.callers.update(other._keys.callers)

    async def call(self, client: Client) -> Client:
        """Let a client ask; returns it with its answer."""
        await self._asgi(client.scope, client.receive, client.send)
        return client

    async def post(self, key: str, path: str, body: bytes | Object, headers: Headers = JSON) -> Client:
        """Send a body, or fields as JSON."""
        data = body if isinstance(body, bytes) else encode(body)
        return await self.call(Client("POST", f"/v1/images/{path}", (*headers, bearer(key)), (data,)))

    async def get(self, key: str, path: str) -> Client:
        """Ask for something below the image routes."""
        target, _, query = path.partition("?")
        return await self.call(Client("GET", f"/v1/images/{target}", (bearer(key),), query=query.encode()))

    async def ended_job(self, key: str, begun: Client) -> Object:
        """Wait for the end of the job that an answer began; returns what is told of it."""
        job = read_object(begun.body)
        while running := set(self.services.jobs._running):
            await asyncio.wait(running)
        return read_object((await self.get(key, f"generations/{job['id']}")).body)


def bearer(key: str) -> tuple[bytes, bytes]:
    """Write the header that presents a key."""
    return (b"authorization", b"Bearer " + key.encode())


def form(fields: Object, files: Sequence[tuple[str, Picture]]) -> tuple[bytes, Headers]:
    """Write `multipart/form-data` as the official SDKs do; returns body and headers."""
    boundary = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    parts = [
        b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), _text(value))
        for name, value in fields.items()
    ]
    for index, (name, picture) in enumerate(files):
        head = b'Content-Disposition: form-data; name="%b"; filename="%d.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(head % (name.encode(), index) + picture.data)
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary
    return body, ((b"content-type", b"multipart/form-data; boundary=" + boundary),)


def _text(value: object) -> bytes:
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode()


def settings_of(text: str, folder: Path) -> Settings:
    """Read a configuration whose providers all have keys and whose pictures lie in `folder`."""
    path = folder / "freetheai.toml"
    path.write_text(text)
    names = ("OPENAI", "BFL", "GEMINI", "ARK", "FAL", "ZAI", "ANTHROPIC")
    return load(path, {f"{name}_API_KEY": VENDOR_KEY for name in names}).settings
