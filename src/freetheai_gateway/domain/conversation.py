"""A request in neutral form: what the four wire formats say, in none of their shapes.

Rich enough that nothing which two dialects both document is lost between them. What only one dialect knows is kept
in `native` as the bytes it came in: rendered again in the same dialect, dropped (and named) in any other.

    Conversation
    ├── turns       system, developer, user and assistant turns, each a tuple of parts, in the order they came
    ├── tools, tool_choice, parallel_tool_calls
    ├── output      text, any JSON, or JSON of a schema
    ├── reasoning   effort, token budget, whether thinking is wanted and shown
    └── sampling    caps, temperature and its kin, stop sequences

Tool results are parts of user turns; dialects that have a turn of their own for them split and merge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from freetheai_gateway.jsonc import Raw

Native = Mapping[str, Raw]
"""Fields of one dialect that have no neutral meaning, by name; values as their bytes."""


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class CacheMark:
    """A prompt-cache breakpoint after a part; `ttl` such as `5m`, `1h`; empty = the dialect's default."""

    ttl: str = ""


# --- where the bytes of an image, file or audio part are ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Base64Source:
    """Inline bytes; `media_type` such as `image/png` (empty where the dialect does not say)."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An https address that the upstream fetches."""

    url: str


@dataclass(frozen=True, slots=True)
class FileIdSource:
    """A file that was uploaded to one vendor; means nothing to another."""

    file_id: str


@dataclass(frozen=True, slots=True)
class TextSource:
    """A document given as plain text."""

    text: str
    media_type: str = "text/plain"


Source = Base64Source | UrlSource | FileIdSource | TextSource


# --- parts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Text. `as_plain` says that it came as a bare string and not as a list of parts, to be rendered so again."""

    text: str
    cache: CacheMark | None = None
    as_plain: bool = False
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture; `detail` is OpenAI's `auto`, `low`, `high`."""

    source: Source
    detail: str | None = None
    cache: CacheMark | None = None
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A document, such as a PDF."""

    source: Source
    filename: str | None = None
    cache: CacheMark | None = None
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audio:
    """Recorded speech; `format` such as `wav`, `mp3`."""

    data: str
    format: str
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model said that it will not answer."""

    text: str
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model's reasoning.

    `signature` proves to `vendor` (a dialect's name) that the text is its own: it must go back to that vendor
    unchanged and never to another. An empty text with a signature is legal. `summary` tells a summary from the
    reasoning itself.
    """

    text: str
    signature: str | None = None
    vendor: str = ""
    summary: bool = False
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RedactedThinking:
    """Reasoning that only `vendor` can read."""

    data: str
    vendor: str
    native: Native = field(default_factory=dict)


class ToolKind(StrEnum):
    """`custom` tools take free text, which `arguments` then is."""

    FUNCTION = "function"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool. `arguments` is the JSON text (or free text) exactly as the model wrote it."""

    id: str
    name: str
    arguments: str
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str = ""
    signature: str | None = None
    """A thought signature that belongs to this call (Gemini)."""
    cache: CacheMark | None = None
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back for the call with this id."""

    call_id: str
    parts: tuple["Part", ...]
    is_error: bool = False
    kind: ToolKind = ToolKind.FUNCTION
    cache: CacheMark | None = None
    native: Native = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that only `dialect` knows, as the JSON it came in; other dialects drop it and count `kind`."""

    dialect: str
    kind: str
    raw: Raw


Part = Text | Image | File | Audio | Refusal | Thinking | RedactedThinking | ToolCall | ToolResult | Opaque


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says at once."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    native: Native = field(default_factory=dict)


# --- tools ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the free text of a custom tool must look like; `syntax` is `lark` or `regex`."""

    syntax: str
    definition: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the caller runs. `schema` is a JSON Schema as its bytes; `None` = no parameters were given."""

    name: str
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str = ""
    cache: CacheMark | None = None
    native: Native = field(default_factory=dict)
    grammar: Grammar | None = None
    """Only of custom tools."""


@dataclass(frozen=True, slots=True)
class VendorTool:
    """A tool that the vendor of `dialect` runs itself (web search and the like), as the JSON it came in."""

    dialect: str
    kind: str
    raw: Raw


class ToolMode(StrEnum):
    """Whether the model may, must or must not call a tool."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`names` narrows the choice: exactly one with `REQUIRED` is a forced tool, several are the allowed ones."""

    mode: ToolMode
    names: tuple[str, ...] = ()
    native: Native = field(default_factory=dict)


# --- everything else ------------------------------------------------------------------------------------------


class OutputKind(StrEnum):
    """What the answer must be."""

    TEXT = "text"
    JSON = "json"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """Structured output; `schema` only with `JSON_SCHEMA`."""

    kind: OutputKind
    schema: Raw | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much the model may think.

    `effort`: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`. `budget_tokens`: a cap in tokens.
    `enabled`: `False` = asked not to think, `True` = asked to, `None` = left to the model. `adaptive`: the model
    decides how much. `summary`: how reasoning is shown (`auto`, `concise`, `detailed`, `summarized`, `omitted`).
    """

    effort: str | None = None
    budget_tokens: int | None = None
    enabled: bool | None = None
    adaptive: bool = False
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the answer is drawn; `None` = left to the model."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    choices: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Raw | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request. `user` is the caller's own name for its end user."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool | VendorTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output: OutputFormat | None = None
    verbosity: str | None = None
    reasoning: Reasoning = field(default_factory=Reasoning)
    sampling: Sampling = field(default_factory=Sampling)
    user: str | None = None
    streamed: bool = False
    usage_asked: bool = True
    native: Native = field(default_factory=dict)
    dialect: str = ""
    """Whose `native` fields these are."""
    spelling: Native = field(default_factory=dict)
    """How that dialect wrote what is neutral above, where it has several ways (a null, another field's name): for
    rendering in the same dialect only, and never named as dropped."""
