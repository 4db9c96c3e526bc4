"""What the gateway and the model's process tell each other: one launch value down, one report line up."""

from enum import StrEnum

import msgspec

from freetheai_gateway import jsonc

CHILD_MODULE = "freetheai_gateway.upstream.llamacpp.child"
HOST = "127.0.0.1"
SECRET_VARIABLE = "FREETHEAI_LOCAL_MODEL_SECRET"  # noqa: S105 - the variable's name
"""Holds the API key that the child's server asks for. Arguments are readable by every user of the machine, so it
is never one of them."""


class Launch(msgspec.Struct, frozen=True):
    """The child's only argument; every token count is per request."""

    model_path: str
    alias: str
    context_window: int
    parallel: int
    threads: int
    default_output_tokens: int | None
    parent_pid: int


class Refusal(StrEnum):
    """Why the child gave up before it served."""

    WHEEL = "wheel"
    NOT_READABLE = "not_readable"
    NOT_GGUF = "not_gguf"
    NOT_LOADED = "not_loaded"
    NOT_HEALTHY = "not_healthy"


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """The child's only line: the port that it serves on, or why it does not."""

    port: int | None = None
    refusal: Refusal | None = None


decode_launch = jsonc.Decoder(Launch)
decode_report = jsonc.Decoder(Report)
