"""The table of routes: which path is answered by what, in which dialect errors are told."""

from collections.abc import Callable

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.web.completions import CompletionRoute
from freetheai_gateway.web.health import HealthRoutes
from freetheai_gateway.web.models import ModelRoutes
from freetheai_gateway.web.routes import Route


def build_routes(
    directory: Directory,
    authenticator: Authenticator,
    completions: Completions,
    clock: Clock,
    is_draining: Callable[[], bool],
    *,
    max_body_bytes: int,
) -> list[Route]:
    """Build all routes; a new one is one more entry here and one handler in `web`."""
    chat, messages = OpenAIChat(), AnthropicMessages()
    models = ModelRoutes(directory, authenticator)
    health = HealthRoutes(directory, clock, is_draining)
    return [
        Route(
            "/chat/completions",
            {"POST": CompletionRoute(chat, authenticator, completions, max_body_bytes)},
            chat,
        ),
        Route(
            "/messages",
            {"POST": CompletionRoute(messages, authenticator, completions, max_body_bytes)},
            messages,
        ),
        Route("/models", {"GET": models.list_models}, chat),
        Route("/models", {"GET": models.show_model}, chat, takes_rest="id"),
        Route("/health", {"GET": health.health}, chat),
        Route("/", {"GET": health.base_url}, chat),
        Route("/", {"GET": health.base_url}, chat, top=True),
        Route("/healthz", {"GET": health.alive}, chat, top=True),
        Route("/readyz", {"GET": health.ready}, chat, top=True),
    ]
