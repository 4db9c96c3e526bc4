"""What the built-in configuration serves, and the vendors' own addresses."""

from msgspec.structs import replace

from freetheai_gateway.settings.catalogue import Family, Model, Provider, Upstream
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Settings

OFFICIAL_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "openai-responses": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "openai-images": "https://api.openai.com/v1",
    "gemini-images": "https://generativelanguage.googleapis.com",
    "fal": "https://queue.fal.run",
    "bfl": "https://api.bfl.ai",
    "ark": "https://ark.ap-southeast.bytepluses.com/api/v3",
}
"""Where a provider without `base_url` is called, by its api."""

DEMONSTRATION_LABEL = "a 135-million-parameter demonstration model: it proves the pipe, not the quality."
LOCAL_PROVIDER = Provider(name="local", api="llamacpp")
LOCAL_MODEL = Model(
    id="local/smollm2-135m",
    kind="chat",
    name="SmolLM2 135M",
    description=DEMONSTRATION_LABEL,
    context_window=LOCAL_PROVIDER.context_window,
    max_output_tokens=LOCAL_PROVIDER.context_window,
    default_output_tokens=256,
    features=("structured_outputs",),
    upstreams=(Upstream(provider=LOCAL_PROVIDER.name, model="smollm2-135m"),),
)
SKETCH_LABEL = "A drawing by rules, made without AI: it proves the image routes, nothing else."
SKETCH_PROVIDER = Provider(name="sketch", api="sketch")
SKETCH_MODEL = Model(
    id="local/sketch",
    kind="image",
    name="Sketch (no AI)",
    description=SKETCH_LABEL,
    inputs=("text", "image"),
    features=("generate", "edit", "mask"),
    upstreams=(Upstream(provider=SKETCH_PROVIDER.name, model="sketch"),),
)
DEMONSTRATION_MODELS = (LOCAL_MODEL, SKETCH_MODEL)
LOCAL_FAMILY = Family(name="Core", models=("local/*",), minimum_tier=1)

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what they are replaced by


def with_demonstration(settings: Settings, *, names_families: bool) -> Settings:
    """Add the demonstration models where no model is named; their family only where no family is."""
    if settings.models:
        return settings
    providers = settings.providers
    names = {provider.name for provider in providers}
    providers = (*providers, *(each for each in (LOCAL_PROVIDER, SKETCH_PROVIDER) if each.name not in names))
    families = settings.families if names_families else (LOCAL_FAMILY,)
    return replace(settings, models=DEMONSTRATION_MODELS, providers=providers, families=families)


def with_addresses(settings: Settings) -> Settings:
    """Fill in the addresses that follow from other keys: vendors' own ones and `server.public_url`."""
    server = settings.server
    if not server.public_url:
        server = replace(server, public_url=local_url(server.host, server.port))
    providers = tuple(
        provider
        if provider.base_url or provider.api not in OFFICIAL_BASE_URLS
        else replace(provider, base_url=Secret(OFFICIAL_BASE_URLS[provider.api]))
        for provider in settings.providers
    )
    return replace(settings, server=server, providers=providers)


def listening_on(settings: Settings, *, host: str | None = None, port: int | None = None) -> Settings:
    """Change where the server listens, as `serve --host --port` does.

    `public_url` follows if it was made of host and port; one that the operator set stays.
    """
    old = settings.server
    new = replace(old, host=old.host if host is None else host, port=old.port if port is None else port)
    if old.public_url == local_url(old.host, old.port):
        new = replace(new, public_url=local_url(new.host, new.port))
    return replace(settings, server=new)


def local_url(host: str, port: int) -> str:
    """Make the URL under which a server that listens there is reached from its own machine."""
    reachable = _ANY_ADDRESS.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
