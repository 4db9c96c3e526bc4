"""What an operator reads when the gateway has started: where it is, and lines that work when pasted."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from freetheai_gateway import __version__
from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.audit import GATEWAY
from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.errors import Unauthenticated
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.settings.defaults import DEMONSTRATION_LABEL, LOCAL_MODEL
from freetheai_gateway.upstream.llamacpp.state import Phase

KEY_VARIABLE = "FREETHEAI_API_KEY"
URL_VARIABLE = "FREETHEAI_BASE_URL"
OWNER = "owner"
LOCAL_MODEL_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class OwnerKey:
    """The operator's own key, and the file that keeps it."""

    key: str
    file: Path


def headline(gateway: Gateway) -> str:
    """Say which version listens where, and how the local model stands."""
    states = [_model_state(model.state.phase, model.state.mend) for model in gateway.local_models.values()]
    tail = f"   ({'; '.join(states)})" if states else ""
    return f"FreeTheAi gateway {__version__}   {base_url(gateway)}{tail}"


def base_url(gateway: Gateway) -> str:
    """Give what clients call their base URL."""
    return f"{gateway.settings.server.public_url}/v1"


def _model_state(phase: Phase, mend: str) -> str:
    match phase:
        case Phase.READY:
            return "local model ready"
        case Phase.MISSING:
            return f"local model not installed: {mend}"
        case Phase.FAILED:
            return "local model failed, see the log"
        case Phase.LOADING | Phase.STOPPED:
            return "local model loading"


async def welcome(gateway: Gateway, file: Path, *, has_config: bool) -> list[str]:
    """Make sure that `file` holds a working key of an account without limits; returns the lines to print.

    Waits for the local model, so that the printed request is answered at once.
    """
    owner = await _owner_key(gateway, file)
    for local_model in gateway.local_models.values():
        await local_model.wait_ready(LOCAL_MODEL_WAIT_S)
    lines = [headline(gateway), f"key     {owner.key}   no limits, saved in {owner.file.name}"]
    model = _first_callable(gateway)
    if model is not None:
        lines.append(f"try     {curl(base_url(gateway), owner.key, model.id)}")
    lines.append(f"pages   {gateway.directory.offer.site.public_url}/docs  /models  /status  /playground")
    if not has_config:
        lines.append("next    cp freetheai.example.toml freetheai.toml, set one provider key, make run")
    if LOCAL_MODEL.id in gateway.directory.offer.catalogue.models:
        lines.append(f"note    {LOCAL_MODEL.id} is {DEMONSTRATION_LABEL}")
    return lines


def curl(url: str, key: str, model: str) -> str:
    """Write a streamed chat as one line of shell."""
    body = encode({"model": model, "stream": True, "messages": [{"role": "user", "content": "Say hello."}]}).decode()
    return (
        f'curl -N {shlex.quote(f"{url}/chat/completions")} -H "Authorization: Bearer {key}" '
        f'-H "Content-Type: application/json" -d {shlex.quote(body)}'
    )


def _first_callable(gateway: Gateway) -> Model | None:
    offer = gateway.directory.offer
    models = offer.catalogue.models.values()
    return next(
        (
            model
            for model in models
            if model.kind is ModelKind.CHAT and not model.retired and offer.is_set_up(model, unlimited=True)
        ),
        None,
    )


async def _owner_key(gateway: Gateway, file: Path) -> OwnerKey:
    key = _read_key(file)
    if key is None or not await _works(gateway, key):
        desk = AccountDesk(gateway.accounts, SystemClock(), GATEWAY)
        key = (await desk.open_account(OWNER, unlimited=True)).secret
        gateway.authenticator.forget()
    _write(file, key, base_url(gateway))
    return OwnerKey(key, file)


async def _works(gateway: Gateway, key: str) -> bool:
    try:
        caller = await gateway.authenticator.caller(key)
    except Unauthenticated:
        return False
    return caller.account.unlimited


def _read_key(file: Path) -> str | None:
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    for line in text.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name.strip() == KEY_VARIABLE:
            return value.strip().strip("\"'")
    return None


def _write(file: Path, key: str, url: str) -> None:
    """Replace the file in one step, readable by its owner only."""
    text = f"export {KEY_VARIABLE}={key}\nexport {URL_VARIABLE}={url}\n"
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    new.replace(file)
