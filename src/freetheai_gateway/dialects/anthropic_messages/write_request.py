"""A neutral conversation, written as a Messages request for an upstream."""

from freetheai_gateway.dialects.anthropic_messages.capabilities import capabilities_of
from freetheai_gateway.dialects.anthropic_messages.foreign_cache import limit_breakpoints
from freetheai_gateway.dialects.anthropic_messages.foreign_options import (
    name_unsaid,
    output_format,
    output_instruction,
    refuse_unsayable,
    write_sampling,
    write_tools,
)
from freetheai_gateway.dialects.anthropic_messages.foreign_thinking import plan_thinking
from freetheai_gateway.dialects.anthropic_messages.foreign_turns import write_foreign_turns
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.own_turns import write_own_turns
from freetheai_gateway.dialects.anthropic_messages.request import filled_in_tokens
from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block, Writer, cache_control
from freetheai_gateway.dialects.anthropic_messages.write_options import write_options
from freetheai_gateway.dialects.protocol import RenderedRequest, Target
from freetheai_gateway.dialects.tool_choice import with_reachable_choice
from freetheai_gateway.dialects.tool_names import restored_names
from freetheai_gateway.dialects.unsayable import refuse_unsayable_fields
from freetheai_gateway.domain.conversation import Conversation, Tool, VendorTool
from freetheai_gateway.jsonc import Raw, encode


def write_request(conversation: Conversation, target: Target) -> RenderedRequest:
    """Write the request; raises `InvalidRequest` for what must be refused and not left out."""
    dropped: set[str] = set()
    is_own = conversation.dialect == MESSAGES
    body = _own(conversation, target, dropped) if is_own else _foreign(conversation, target, dropped)
    body = {"model": target.model, **body}
    for name in target.quirks.drop:
        if body.pop(name, None) is not None:
            dropped.add(name)
    names = {} if is_own else restored_names(conversation)
    return RenderedRequest(encode(body), tuple(sorted(dropped)), names)


def _own(conversation: Conversation, target: Target, dropped: set[str]) -> Block:
    system, messages = write_own_turns(conversation.turns, Writer(own=True, dropped=dropped))
    body: Block = {"messages": messages, **write_options(conversation)}
    if system is not None:
        body["system"] = system
    if conversation.tools:
        body["tools"] = [_own_tool(tool) for tool in conversation.tools]
    if conversation.sampling.max_tokens is None:
        body["max_tokens"] = filled_in_tokens(target.default_output_tokens, target.max_output_tokens)
    return {**body, **conversation.native, **conversation.spelling}


def _own_tool(tool: Tool | VendorTool) -> Block | Raw:
    if isinstance(tool, VendorTool):
        return tool.raw
    written: Block = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
    written["strict"] = tool.strict
    written["cache_control"] = None if tool.cache is None else cache_control(tool.cache)
    return {**{name: value for name, value in written.items() if value is not None}, **tool.native}


def _foreign(conversation: Conversation, target: Target, dropped: set[str]) -> Block:
    refuse_unsayable_fields(conversation)
    refuse_unsayable(conversation.sampling)
    name_unsaid(conversation, dropped)
    conversation = with_reachable_choice(conversation, dropped.add)
    capabilities = capabilities_of(target.model)
    plan = plan_thinking(conversation, target, capabilities)
    if plan.refused:
        dropped.add("reasoning")
    system, messages = write_foreign_turns(conversation.turns, dropped)
    if instruction := output_instruction(conversation, capabilities):
        system.append({"type": "text", "text": instruction})
    output_config: Block = {"effort": plan.effort, "format": output_format(conversation, capabilities)}
    output_config = {name: value for name, value in output_config.items() if value is not None}
    body: Block = {
        "messages": messages,
        "max_tokens": plan.max_tokens,
        "system": system or None,
        "thinking": plan.thinking,
        "output_config": output_config or None,
        "metadata": None if conversation.user is None else {"user_id": conversation.user},
        "stream": conversation.streamed or None,
        **write_sampling(conversation.sampling, capabilities, thinks=plan.is_on, dropped=dropped),
        **write_tools(conversation, dropped),
    }
    limit_breakpoints(body, dropped)
    return {name: value for name, value in body.items() if value is not None}
