"""The ports of the image routes: who makes pictures, who fetches them, where they are kept."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from freetheai_gateway.domain.images import Made, Order, Picture
from freetheai_gateway.services.held_pictures import HeldPictures, Holding
from freetheai_gateway.services.trace import Trace

OnPartial = Callable[[Picture, int], Awaitable[None]]
"""Takes a partial picture and its number."""


class Ask(msgspec.Struct, frozen=True):
    """One call of one provider."""

    order: Order
    upstream_model: str
    key_index: int
    trace: Trace
    on_partial: OnPartial | None = None
    """Given where the client wants a stream."""
    held: Holding = msgspec.field(default_factory=lambda: HeldPictures().open())
    """Takes what is read of results, and gives it back when the answer has gone."""


class ImageMaker(Protocol):
    """A provider of pictures. Cancelling `make` ends the work upstream too, where the vendor's API can."""

    async def make(self, ask: Ask) -> Made:
        """Make what was ordered.

        Raises the `GatewayError` that the client is to see; `trace.mishap` says how the provider failed.
        """
        ...


class PictureFetcher(Protocol):
    """Fetches an input picture that a client points at."""

    async def fetch(self, url: str, param: str) -> bytes:
        """Fetch the bytes. Raises `InvalidRequest` for every address that is not a public one."""
        ...


class PictureVault(Protocol):
    """Keeps results for a while, under names that can't be guessed."""

    async def keep(self, picture: Picture) -> str:
        """Keep a picture; gives its name."""
        ...

    async def address(self, name: str) -> str:
        """Give an address of a picture that was kept; who knows it needs no key."""
        ...

    async def load(self, name: str) -> bytes | None:
        """Read a picture that was kept; `None` once it was deleted."""
        ...


class JobPicture(msgspec.Struct, frozen=True, omit_defaults=True):
    """One result of a job: where it is kept, and the address that the client asked for, if it did."""

    name: str
    size: int
    url: str = ""
    revised_prompt: str = ""


class JobState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a background job: never its prompt."""

    id: str
    account_id: str
    model: str
    created: int
    expires_at: int
    status: str = "pending"
    code: str = ""
    type: str = ""
    message: str = ""
    pictures: tuple[JobPicture, ...] = ()


class JobStore(Protocol):
    """Keeps jobs where every worker finds them."""

    async def save(self, job: JobState) -> None:
        """Keep the newest state of a job."""
        ...

    async def find(self, job_id: str) -> JobState | None:
        """Find a job; `None` where there is none of this id."""
        ...

    async def beat(self, job_id: str) -> None:
        """Show that someone still works on a job."""
        ...
