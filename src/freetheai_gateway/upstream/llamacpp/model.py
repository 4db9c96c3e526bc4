"""What the gateway needs of an embedded model, wherever its process is kept alive."""

from typing import Protocol

from freetheai_gateway.upstream.llamacpp.state import Endpoint, LocalModelState


class EmbeddedModel(Protocol):
    """Implemented by the supervisor of the model's process, and by whoever only reads how it stands."""

    @property
    def state(self) -> LocalModelState:
        """How the model stands now."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """Where to send requests now; `None` unless ready."""
        ...

    async def start(self) -> None:
        """Begin to load and return at once."""
        ...

    async def wait_ready(self, timeout_s: float) -> LocalModelState:
        """Wait until the model is ready or has failed to load; returns the state then, or after `timeout_s`."""
        ...

    async def stop(self) -> None:
        """End the model's process, if it is this one's."""
        ...
