"""The image routes put together: providers of pictures, use cases, files, handlers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from freetheai_gateway.clock import Clock, SystemClock
from freetheai_gateway.dialects.openai_images import PictureRules
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.held_pictures import HeldPictures
from freetheai_gateway.services.image_inputs import ImageInputs
from freetheai_gateway.services.image_jobs import ImageJobs
from freetheai_gateway.services.image_ports import ImageMaker
from freetheai_gateway.services.images import ImagePolicy, Images
from freetheai_gateway.services.ports import Ledger, Provider, UpstreamClient
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.store.image_files import ImageFiles
from freetheai_gateway.upstream.images.ark import Ark
from freetheai_gateway.upstream.images.bfl import BlackForestLabs
from freetheai_gateway.upstream.images.calls import Calls, Pace
from freetheai_gateway.upstream.images.fal import Fal
from freetheai_gateway.upstream.images.gemini_images import GeminiImages
from freetheai_gateway.upstream.images.guarded_fetch import GuardedFetcher
from freetheai_gateway.upstream.images.openai_images import OpenAIImages
from freetheai_gateway.upstream.images.sketch import SketchProvider
from freetheai_gateway.upstream.providers import HTTPProvider
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.images import ImageRoutes
from freetheai_gateway.web.routes import Route

SKETCH_API = "sketch"


@dataclass(frozen=True, slots=True)
class ImageServices:
    """What the image routes need."""

    images: Images
    jobs: ImageJobs
    files: ImageFiles


def build_images(
    settings: Settings,
    directory: Directory,
    admission: Admission,
    ledger: Ledger,
    *,
    clock: Clock,
    observe: Callable[[Trace], None],
) -> ImageServices:
    """Build the use cases of the image routes."""
    own = settings.images
    files = ImageFiles(own.directory, own.keep_s, clock, lambda: f"{directory.offer.site.public_url.rstrip('/')}/v1")
    policy = ImagePolicy(_rules(settings), own.deadline_s)
    fetcher = _fetcher(settings)
    held = HeldPictures(own.max_held_bytes)
    images = Images(directory, admission, ledger, clock, policy=policy, vault=files, fetcher=fetcher, held=held)
    jobs = ImageJobs(images, files, files, clock, keep_s=own.keep_s, observe=observe)
    return ImageServices(images, jobs, files)


def build_image_inputs(settings: Settings) -> ImageInputs:
    """Build what sees to the pictures in chat requests."""
    return ImageInputs(_rules(settings), _fetcher(settings))


def _rules(settings: Settings) -> PictureRules:
    return PictureRules(max_pixels=settings.images.max_pixels, strips_metadata=settings.images.strip_metadata)


def _fetcher(settings: Settings) -> GuardedFetcher | None:
    return GuardedFetcher(_rules(settings).max_bytes) if settings.images.fetch_input_urls else None


def image_routes(
    services: ImageServices, authenticator: Authenticator, max_body_bytes: int, crowd: Crowd, dialect: Dialect
) -> list[Route]:
    """List the image routes."""
    routes = ImageRoutes(
        authenticator, services.images, services.jobs, services.files, max_body_bytes=max_body_bytes, crowd=crowd
    )
    return [
        Route("/images/generations", {"POST": routes.generate}, dialect),
        Route("/images/edits", {"POST": routes.edit}, dialect),
        Route("/images/generations", {"GET": routes.show_job}, dialect, takes_rest="id"),
        Route("/images/files", {"GET": routes.show_file}, dialect, takes_rest="id"),
    ]


MAKERS: Mapping[str, Callable[[Calls], ImageMaker]] = {
    "openai-images": OpenAIImages,
    "gemini-images": GeminiImages,
    "bfl": BlackForestLabs,
    "fal": Fal,
    "ark": Ark,
}
"""Who makes pictures over HTTP, by the provider's api."""


def make_image_maker(
    api: str, provider: HTTPProvider, client: UpstreamClient, clock: Clock, pace: Pace | None = None
) -> ImageMaker:
    """Build the adapter of one provider."""
    return MAKERS[api](Calls(provider, client, clock, pace or Pace()))


def build_image_makers(
    settings: Settings, providers: Mapping[str, Provider], client: UpstreamClient | None
) -> Mapping[str, ImageMaker]:
    """Find who makes pictures among the providers, by name; without a client only those that need none."""
    makers: dict[str, ImageMaker] = {}
    for each in settings.providers:
        provider = providers.get(each.name)
        if isinstance(provider, SketchProvider):
            makers[each.name] = provider
        elif isinstance(provider, HTTPProvider) and each.api in MAKERS and client is not None:
            makers[each.name] = make_image_maker(each.api, provider, client, SystemClock())
    return makers
