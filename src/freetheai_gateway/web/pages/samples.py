"""The code samples of the documentation. They are run by the tests as they are shown, with this instance's addresses.

A text holds `{BASE_URL}`, `{ROOT_URL}` and `{MODEL}`; everything else is literal. The key comes from the environment,
because what is pasted into a file is published sooner or later.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from freetheai_gateway.domain.catalogue import Catalogue, Model, ModelKind

CURL, SHELL, PYTHON, JAVASCRIPT = "curl", "Shell", "Python", "JavaScript"


@dataclass(frozen=True, slots=True)
class Sample:
    """A text that can be pasted. `needs` says which kind of model it is written for."""

    id: str
    language: str
    text: str
    needs: str = "chat"
    title: str = ""
    """What tells it from its neighbours; empty = the language does."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What is put into the samples: the addresses of the instance, and a model by what it is needed for."""

    root_url: str
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """What clients take as their base URL."""
        return f"{self.root_url}/v1"

    def fill(self, sample: Sample) -> str:
        """Give the text as a reader pastes it."""
        text = sample.text.replace("{BASE_URL}", self.base_url).replace("{ROOT_URL}", self.root_url)
        model = self.models.get(sample.needs, _UNKNOWN[sample.needs])
        return text.replace("{MODEL}", _QUOTED.get(sample.language, str)(model))


_QUOTED: Mapping[str, Callable[[str], str]] = {
    SHELL: shlex.quote,
    CURL: lambda model: model.replace("'", "'\\''"),  # it stands between single quotes there
}
"""An id may hold what a shell reads; quotes of other languages and backslashes it may not."""
_UNKNOWN = {"chat": "glm/glm-5.1", "generate": "img/gpt-image-2", "edit": "img/gpt-image-2"}
"""What stands in a sample where the catalogue has no model of the kind: the specification's."""


def filling_for(root_url: str, catalogue: Catalogue, chosen: str = "") -> Filling:
    """Choose models for the samples: the reader's where it fits, else the first of the catalogue that does."""
    models: dict[str, str] = {}
    for model in catalogue.models.values():
        for need in _needs_met_by(model):
            if need not in models or model.id == chosen:
                models[need] = model.id
    return Filling(root_url, models)


def _needs_met_by(model: Model) -> tuple[str, ...]:
    if model.retired:
        return ()
    if model.kind is ModelKind.CHAT:
        return ("chat",)
    return tuple(need for need in ("generate", "edit") if model.kind is ModelKind.IMAGE and need in model.features)


_CHAT_CURL = """\
curl -N {BASE_URL}/chat/completions \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "{MODEL}",
    "messages": [{"role": "user", "content": "Write a tiny Flask route."}],
    "stream": true
  }'
"""
_CHAT_PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(
    base_url="{BASE_URL}",
    api_key=os.environ["FREETHEAI_API_KEY"],
)

stream = client.chat.completions.create(
    model="{MODEL}",
    messages=[{"role": "user", "content": "Name three rivers."}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
"""
_CHAT_JAVASCRIPT = """\
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "{BASE_URL}",
  apiKey: process.env.FREETHEAI_API_KEY,
});

const reply = await client.chat.completions.create({
  model: "{MODEL}",
  messages: [{ role: "user", content: "Reply with OK." }],
});
console.log(reply.choices[0].message.content);
"""
_MESSAGES_CURL = """\
curl {BASE_URL}/messages \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "{MODEL}",
    "max_tokens": 256,
    "messages": [{"role": "user", "content": "Give me a short plan."}]
  }'
"""
_MESSAGES_PYTHON = """\
import os

from anthropic import Anthropic

client = Anthropic(
    base_url="{ROOT_URL}",
    api_key=os.environ["FREETHEAI_API_KEY"],
)

with client.messages.stream(
    model="{MODEL}",
    max_tokens=256,
    messages=[{"role": "user", "content": "Give me a short plan."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
"""
_RESPONSES_PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(
    base_url="{BASE_URL}",
    api_key=os.environ["FREETHEAI_API_KEY"],
)

reply = client.responses.create(
    model="{MODEL}",
    input="Name three rivers.",
    store=False,
)
print(reply.output_text)
"""
_LIST_CURL = """\
curl {BASE_URL}/models \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY"
"""
_FULL_CURL = """\
curl {BASE_URL}/models/full \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY"
"""
_GENERATE_CURL = """\
curl {BASE_URL}/images/generations \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "{MODEL}",
    "prompt": "A lighthouse in fog, seen from the sea"
  }'
"""
_GENERATE_PYTHON = """\
import base64
import os
import pathlib

from openai import OpenAI

client = OpenAI(
    base_url="{BASE_URL}",
    api_key=os.environ["FREETHEAI_API_KEY"],
    timeout=180,
)

result = client.images.generate(
    model="{MODEL}",
    prompt="A lighthouse in fog, seen from the sea",
)
picture = base64.b64decode(result.data[0].b64_json)
pathlib.Path("lighthouse.png").write_bytes(picture)
print("saved lighthouse.png")
"""
_EDIT_CURL = """\
curl {BASE_URL}/images/edits \\
  -H "Authorization: Bearer $FREETHEAI_API_KEY" \\
  -F 'model={MODEL}' \\
  -F "prompt=Make the sky darker" \\
  -F image=@lighthouse.png
"""
_HEALTH_CURL = """\
curl {BASE_URL}/health
"""

SAMPLES: Mapping[str, Sample] = {
    sample.id: sample
    for sample in (
        Sample("chat-curl", CURL, _CHAT_CURL),
        Sample("chat-python", PYTHON, _CHAT_PYTHON),
        Sample("chat-javascript", JAVASCRIPT, _CHAT_JAVASCRIPT),
        Sample("messages-curl", CURL, _MESSAGES_CURL),
        Sample("messages-python", PYTHON, _MESSAGES_PYTHON),
        Sample("responses-python", PYTHON, _RESPONSES_PYTHON),
        Sample("models-curl", CURL, _LIST_CURL, title="curl: your models"),
        Sample("full-curl", CURL, _FULL_CURL, title="curl: whole catalogue"),
        Sample("generate-curl", CURL, _GENERATE_CURL, needs="generate", title="curl"),
        Sample("generate-python", PYTHON, _GENERATE_PYTHON, needs="generate", title="Python"),
        Sample("edit-curl", CURL, _EDIT_CURL, needs="edit", title="curl: edit"),
        Sample("health-curl", CURL, _HEALTH_CURL),
    )
}
"""Every sample of the documentation, by the id that stands at its block."""
