"""Makes the embedded models of the configuration."""

from collections.abc import Callable

from freetheai_gateway.log import get_log
from freetheai_gateway.settings.catalogue import Provider
from freetheai_gateway.upstream.llamacpp.model import EmbeddedModel
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.state import LocalModelState
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel

MakeModel = Callable[[Provider], EmbeddedModel]


def make_local_model(
    provider: Provider, *, on_change: Callable[[LocalModelState], None] | None = None
) -> EmbeddedModel:
    """Make the supervisor of a provider's model; nothing is started."""
    settings = LocalModelSettings(
        model_path=provider.model_path,
        # The demonstration model rambles to the end of its context; an operator's own model has its own cap.
        default_output_tokens=None if provider.model_path else LocalModelSettings().default_output_tokens,
        context_window=provider.context_window,
        threads=provider.threads or None,
    )
    return LocalModel(settings, get_log("local_model"), on_change=on_change)
