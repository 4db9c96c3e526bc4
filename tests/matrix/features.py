"""How each dialect says what the scenarios ask for: the first table of `docs/dialects.md`.

Every scenario of the matrix has a row, so that nothing is documented which no test shows.
"""

FEATURES: dict[str, tuple[str, str, str, str]] = {
    "text": ("`messages`", "`messages`", "`input`", "`contents`"),
    "multi-turn": ("roles `user`, `assistant`", "the same", "the same", "roles `user`, `model`"),
    "system": (
        "one leading `system` message",
        "`system`",
        "`instructions`",
        "`systemInstruction`",
    ),
    "image in": ("`image_url`, a data URL", "`image`, `base64`", "`input_image`, a data URL", "`inlineData`"),
    "one tool": ("`tool_calls`", "`tool_use`", "`function_call`", "`functionCall`"),
    "parallel tools": (
        "several `tool_calls`, by `index`",
        "one block after the other",
        "one item after the other",
        "several parts; ids are made here",
    ),
    "tool result": (
        "`tool` messages before anything else",
        "`tool_result` blocks, first in the turn",
        "`function_call_output`",
        "`functionResponse`, always an object",
    ),
    "tool result with image": (
        "`[image 1 attached below]`, and a user message",
        "inside `tool_result`",
        "inside `output`",
        "`parts` of the response (3 and later), else beside it",
    ),
    "failed tool": ("`ERROR: ` before the text", "`is_error`", "`ERROR: ` before the text", '`{"error": …}`'),
    "forced tool": (
        "`tool_choice` with a name",
        "`tool_choice` `tool`",
        "`tool_choice` with a name",
        "mode `ANY`, one name",
    ),
    "structured output": (
        "`response_format` `json_schema`",
        "`output_config.format` (4.5 and later), else in words",
        "`text.format`",
        "`responseJsonSchema` or `responseSchema`",
    ),
    "stop sequence": ("`stop`, at most 4", "`stop_sequences`", "none", "`stopSequences`, at most 5"),
    "length stop": ("`length`", "`max_tokens`", "`incomplete`, `max_output_tokens`", "`MAX_TOKENS`"),
    "refusal": (
        "`refusal`, or `content_filter`",
        "`stop_reason` `refusal`",
        "a `refusal` part, or `incomplete`",
        "`SAFETY` and its kin",
    ),
    "safety stop": (
        "`content_filter`",
        "`stop_reason` `refusal`",
        "`incomplete`, `content_filter`",
        "`promptFeedback.blockReason`",
    ),
    "usage with cached tokens": (
        "`cached_tokens`, part of `prompt_tokens`",
        "`cache_read_input_tokens`, beside `input_tokens`",
        "`cached_tokens`, part of `input_tokens`",
        "`cachedContentTokenCount`, part of `promptTokenCount`",
    ),
    "usage with a written cache": (
        "`cache_write_tokens`",
        "`cache_creation_input_tokens`",
        "`cache_write_tokens`",
        "none",
    ),
    "cut in a call": (
        "`length`; calls that are whole are believed",
        "`max_tokens`",
        "`incomplete`",
        "`MAX_TOKENS`",
    ),
    "thinking across two turns": (
        "`reasoning_content`; signatures in `reasoning_details` and `extra_content`",
        "`thinking` with its `signature`",
        "`reasoning` items with `encrypted_content`",
        "`thought` parts; `thoughtSignature`",
    ),
    "error before the first byte": ("HTTP status", "HTTP status", "HTTP status", "HTTP status"),
    "error in mid-stream": (
        "a chunk with `error`, no `[DONE]`",
        "`event: error`",
        "`response.failed`",
        "a chunk with `error`",
    ),
    "upstream cut off without an end": ("the same", "the same", "the same", "no `finishReason`"),
}
