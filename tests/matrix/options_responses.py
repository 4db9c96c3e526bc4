"""Options of Responses clients."""

from tests.matrix.limits import RESPONSES
from tests.matrix.option import (
    CALLING,
    CONFIG,
    GEMINI_PART,
    IMAGE_URL,
    JSON_ONLY,
    MESSAGE_PART,
    PDF,
    PDF_URL,
    SCHEMA,
    SQL,
    Body,
    Dropped,
    Option,
    Rejected,
    To,
    dropped_everywhere,
    on_each,
    rejected_everywhere,
)


def _flat(name: str) -> Body:
    return {"type": "function", "name": name, "parameters": SCHEMA, "strict": False}


def _input(*parts: Body) -> Body:
    return {"input": [{"role": "user", "content": list(parts)}]}


_FLAT_TOOLS = [_flat("look"), _flat("ask")]
_LOOK_ONLY = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]}

RESPONSES_OPTIONS: tuple[Option, ...] = (
    on_each(
        RESPONSES,
        "`max_output_tokens`",
        {"max_output_tokens": 99},
        To("max_tokens", 99),
        To("max_tokens", 99),
        To(f"{CONFIG}.maxOutputTokens", 99),
    ),
    on_each(
        RESPONSES,
        "`temperature`",
        {"temperature": 0.5},
        To("temperature", 0.5),
        To("temperature", 0.5),
        To(f"{CONFIG}.temperature", 0.5),
    ),
    on_each(RESPONSES, "`top_p`", {"top_p": 0.5}, To("top_p", 0.5), To("top_p", 0.5), To(f"{CONFIG}.topP", 0.5)),
    on_each(
        RESPONSES,
        "`reasoning.effort`",
        {"reasoning": {"effort": "high"}},
        To("reasoning_effort", "high"),
        To("thinking.budget_tokens", 16384),
        To(f"{CONFIG}.thinkingConfig.thinkingLevel", "HIGH"),
    ),
    on_each(
        RESPONSES,
        "`text.format` `json_object`",
        {"text": {"format": {"type": "json_object"}}},
        To("response_format.type", "json_object"),
        To("system.0.text", JSON_ONLY),
        To(f"{CONFIG}.responseMimeType", "application/json"),
    ),
    on_each(
        RESPONSES,
        "`text.verbosity`",
        {"text": {"verbosity": "low"}},
        To("verbosity", "low"),
        Dropped("verbosity"),
        Dropped("verbosity"),
    ),
    on_each(
        RESPONSES,
        "`user`",
        {"user": "ann"},
        To("user", "ann"),
        To("metadata.user_id", "ann"),
        Dropped("user"),
    ),
    on_each(
        RESPONSES,
        "`safety_identifier`",
        {"safety_identifier": "ann"},
        To("safety_identifier", "ann"),
        Dropped("safety_identifier"),
        Dropped("safety_identifier"),
    ),
    on_each(
        RESPONSES,
        "`tool_choice` `required`",
        {"tools": _FLAT_TOOLS, "tool_choice": "required"},
        To("tool_choice", "required"),
        To("tool_choice.type", "any"),
        To(f"{CALLING}.mode", "ANY"),
    ),
    on_each(
        RESPONSES,
        "`tool_choice` `none`",
        {"tools": _FLAT_TOOLS, "tool_choice": "none"},
        To("tool_choice", "none"),
        To("tool_choice.type", "none"),
        To(f"{CALLING}.mode", "NONE"),
    ),
    on_each(
        RESPONSES,
        "`allowed_tools`",
        {"tools": _FLAT_TOOLS, "tool_choice": _LOOK_ONLY},
        To("tool_choice.function.name", "look"),
        To("tool_choice.name", "look"),
        To(f"{CALLING}.allowedFunctionNames", ["look"]),
    ),
    on_each(
        RESPONSES,
        "`parallel_tool_calls`",
        {"tools": _FLAT_TOOLS, "parallel_tool_calls": False},
        To("parallel_tool_calls", value=False),
        To("tool_choice.disable_parallel_tool_use", value=True),
        Dropped("parallel_tool_calls"),
    ),
    on_each(
        RESPONSES,
        "custom tools",
        {"tools": [{"type": "custom", **SQL}]},
        To("tools.0.function.parameters.required", ["input"]),
        To("tools.0.input_schema.required", ["input"]),
        To("tools.0.functionDeclarations.0.parameters.required", ["input"]),
    ),
    on_each(
        RESPONSES,
        "namespaces of tools",
        {"tools": [{"type": "namespace", "name": "ns", "description": "d", "tools": [_flat("look")]}]},
        To("tools.0.function.name", "ns__look"),
        To("tools.0.name", "ns__look"),
        To("tools.0.functionDeclarations.0.name", "ns__look"),
    ),
    on_each(
        RESPONSES,
        "hosted tools (`web_search`, …)",
        {"tools": [*_FLAT_TOOLS, {"type": "web_search"}]},
        Dropped("web_search"),
    ),
    on_each(
        RESPONSES,
        "image by address",
        _input({"type": "input_image", "image_url": IMAGE_URL, "detail": "auto"}),
        To(f"{MESSAGE_PART}.image_url.url", IMAGE_URL),
        To(f"{MESSAGE_PART}.source.url", IMAGE_URL),
        Rejected("address"),
    ),
    on_each(
        RESPONSES,
        "image by file id",
        _input({"type": "input_image", "file_id": "file-1", "detail": "auto"}),
        Rejected("file"),
    ),
    on_each(
        RESPONSES,
        "PDF file",
        _input({"type": "input_file", "filename": "a.pdf", "file_data": PDF_URL}),
        To(f"{MESSAGE_PART}.file.file_data", PDF_URL),
        To(f"{MESSAGE_PART}.source.data", PDF),
        To(f"{GEMINI_PART}.inlineData.data", PDF),
    ),
    on_each(
        RESPONSES,
        "`metadata`",
        {"metadata": {"a": "b"}},
        To("metadata", {"a": "b"}),
        Dropped("metadata"),
        Dropped("metadata"),
    ),
    on_each(
        RESPONSES,
        "`service_tier`",
        {"service_tier": "flex"},
        To("service_tier", "flex"),
        Dropped("service_tier"),
        Dropped("service_tier"),
    ),
    on_each(
        RESPONSES,
        "`prompt_cache_key`",
        {"prompt_cache_key": "k"},
        To("prompt_cache_key", "k"),
        Dropped("prompt_cache_key"),
        Dropped("prompt_cache_key"),
    ),
    rejected_everywhere(RESPONSES, "store", value=True),
    rejected_everywhere(RESPONSES, "background", value=True),
    rejected_everywhere(RESPONSES, "previous_response_id", "resp_1"),
    rejected_everywhere(RESPONSES, "conversation", "conv_1"),
    dropped_everywhere(RESPONSES, "prompt", {"id": "p"}),
    dropped_everywhere(RESPONSES, "truncation", "auto"),
    dropped_everywhere(RESPONSES, "max_tool_calls", 2),
    dropped_everywhere(RESPONSES, "top_logprobs", 2),
    dropped_everywhere(RESPONSES, "tomorrow", 1),
)
