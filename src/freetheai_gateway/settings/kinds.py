"""The types that the tree is written in: numbers with their range, strings with their form."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from freetheai_gateway.settings import forms
from freetheai_gateway.settings.marks import Bounds, Form, MayBeMissing
from freetheai_gateway.settings.secret import Secret


class Table(msgspec.Struct, frozen=True):
    """Base of every table of the configuration: immutable; what it does not name is an error in the file."""


Positive: TypeAlias = Annotated[int, Bounds(at_least=1)]
CountOrZero: TypeAlias = Annotated[int, Bounds(at_least=0)]
Duration: TypeAlias = Annotated[float, Bounds(above=0)]
DurationOrZero: TypeAlias = Annotated[float, Bounds(at_least=0)]
Share: TypeAlias = Annotated[float, Bounds(at_least=0, at_most=1)]
Dollars: TypeAlias = Annotated[float, Bounds(at_least=0)]
Port: TypeAlias = Annotated[int, Bounds(at_least=0, at_most=65535)]
Weight: TypeAlias = Annotated[float, Bounds(above=0)]

Name: TypeAlias = Annotated[str, Form(forms.name)]
OptionalName: TypeAlias = Annotated[str, Form(forms.optional_name)]
Prose: TypeAlias = Annotated[str, Form(forms.prose)]
Word: TypeAlias = Annotated[str, Form(forms.word)]
OptionalWord: TypeAlias = Annotated[str, Form(forms.optional_word)]
ModelId: TypeAlias = Annotated[str, Form(forms.model_id)]
Pattern: TypeAlias = Annotated[str, Form(forms.pattern)]
OptionalUrl: TypeAlias = Annotated[str, Form(forms.optional_http_url)]

FilePath: TypeAlias = Annotated[Path, Form(forms.path)]
ApiKey: TypeAlias = Annotated[Secret, Form(forms.api_key), MayBeMissing()]
Token: TypeAlias = Annotated[Secret | None, Form(forms.api_key)]
CredentialIfSet: TypeAlias = Annotated[Secret | None, Form(forms.api_key), MayBeMissing()]

Api: TypeAlias = Literal[
    "openai",
    "openai-responses",
    "anthropic",
    "gemini",
    "llamacpp",
    "openai-images",
    "gemini-images",
    "fal",
    "bfl",
    "ark",
    "sketch",
]
Kind: TypeAlias = Literal["chat", "image", "embedding", "speech", "transcription"]
Input: TypeAlias = Literal["text", "image", "audio", "file"]
Feature: TypeAlias = Literal["tools", "reasoning", "structured_outputs", "generate", "edit", "mask"]
