"""LangChain and pydantic-ai, as their users install them: text, a stream, a loop with a tool, and usage."""

import sys
from pathlib import Path

import pytest

from tests.agents.actor import Actor
from tests.agents.desk import Desk
from tests.agents.frameworks import assert_all_work

PYTHON = Path(sys.prefix) / "frameworks" / "bin" / "python"
"""Where `make agents` installs them."""

LANGCHAIN = """
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

@tool
def weather(city: str) -> str:
    "Tell the weather."
    return f"rain in {city}"

def spent(message):
    return [message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]]

def total(chunks):
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole

def loop(ask):
    messages = [HumanMessage("What is the weather in Oslo?")]
    messages.append(ask(messages))
    calls = messages[-1].tool_calls
    messages += [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calls]
    return ask(messages).text

for model in sys.argv[1:]:
    chat = client(model)
    whole = chat.invoke("Say hello.")
    chunks = list(chat.stream("Say hello."))
    tooled = chat.bind_tools([weather])
    print(json.dumps({
        "model": model, "text": whole.text, "usage": spent(whole),
        "streamed": total(chunks).text, "chunks": len(chunks), "streamed_usage": spent(total(chunks)),
        "loop": loop(tooled.invoke), "streamed_loop": loop(lambda messages: total(list(tooled.stream(messages)))),
    }))
"""

PYDANTIC_AI = """
import asyncio
from pydantic_ai import Agent

def weather(city: str) -> str:
    "Tell the weather."
    return f"rain in {city}"

async def stream(agent, prompt):
    async with agent.run_stream(prompt) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return "".join(pieces), len(pieces), spent(result)

def spent(result):
    usage = result.usage() if callable(result.usage) else result.usage
    return [usage.input_tokens, usage.output_tokens]

async def told(model):
    plain, tooled = Agent(client(model)), Agent(client(model), tools=[weather])
    whole = await plain.run("Say hello.")
    text, pieces, usage = await stream(plain, "Say hello.")
    looped = await tooled.run("What is the weather in Oslo?")
    # A streamed run ends at the first text, which here stands before the call.
    async with tooled.iter("What is the weather in Oslo?") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as events:
                    async for _ in events:
                        pass
    return {
        "model": model, "text": whole.output, "usage": spent(whole),
        "streamed": text, "chunks": pieces, "streamed_usage": usage,
        "loop": looped.output, "streamed_loop": run.result.output,
    }

async def main():
    for model in sys.argv[1:]:
        print(json.dumps(await told(model)))

asyncio.run(main())
"""

CLIENTS = {
    "langchain-openai": """
from langchain_openai import ChatOpenAI
def client(model):
    return ChatOpenAI(model=model, base_url=URL + "/v1", api_key=KEY, stream_usage=True)
""",
    "langchain-openai-responses": """
from langchain_openai import ChatOpenAI
def client(model):
    return ChatOpenAI(model=model, base_url=URL + "/v1", api_key=KEY, use_responses_api=True)
""",
    "langchain-anthropic": """
from langchain_anthropic import ChatAnthropic
def client(model):
    return ChatAnthropic(model=model, base_url=URL, api_key=KEY)
""",
    "pydantic-ai-openai": """
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
def client(model):
    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=URL + "/v1", api_key=KEY))
""",
    "pydantic-ai-openai-responses": """
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
def client(model):
    return OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=URL + "/v1", api_key=KEY))
""",
    "pydantic-ai-anthropic": """
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
def client(model):
    return AnthropicModel(model, provider=AnthropicProvider(base_url=URL, api_key=KEY))
""",
}
HEAD = "import json, os, sys\nURL, KEY = os.environ['GATEWAY_URL'], os.environ['GATEWAY_KEY']\n"


@pytest.mark.parametrize("name", CLIENTS)
def test_framework_on_every_upstream_gives_text_streams_tools_and_usage(name: str, desk: Desk, actor: Actor) -> None:
    """The framework does not notice which vendor answers."""
    program = desk.work / "program.py"
    program.write_text(HEAD + CLIENTS[name] + (LANGCHAIN if name.startswith("langchain") else PYDANTIC_AI))
    assert_all_work(desk, actor, [PYTHON, "-W", "error::DeprecationWarning:__main__", program])
