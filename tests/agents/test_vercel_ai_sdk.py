"""The Vercel AI SDK, as its users install it: text, a stream, a loop with a tool, and usage."""

import pytest

from tests.agents.actor import Actor
from tests.agents.desk import Desk
from tests.agents.frameworks import assert_all_work

PROGRAM = """
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const weather = tool({
  description: "Tell the weather.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `rain in ${city}`,
});
const spent = (usage) => [usage.inputTokens, usage.outputTokens];
const asked = "What is the weather in Oslo?";
const onError = ({ error }) => { throw error; };

for (const name of process.argv.slice(2)) {
  const model = provider(name);
  const whole = await generateText({ model, prompt: "Say hello." });
  const stream = streamText({ model, prompt: "Say hello.", onError });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  const tools = { model, tools: { weather }, stopWhen: stepCountIs(3), prompt: asked };
  const looped = await generateText(tools);
  const streamedLoop = streamText({ ...tools, onError });
  await streamedLoop.consumeStream();
  const steps = await streamedLoop.steps;
  console.log(JSON.stringify({
    model: name, text: whole.text, usage: spent(whole.usage),
    streamed: pieces.join(""), chunks: pieces.length, streamed_usage: spent(await stream.usage),
    loop: looped.text, streamed_loop: steps[steps.length - 1].text,
  }));
}
"""

PROVIDERS = {
    "openai-compatible": """
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
const provider = createOpenAICompatible({
  name: "freetheai", baseURL: process.env.GATEWAY_URL + "/v1", apiKey: process.env.GATEWAY_KEY, includeUsage: true,
});
""",
    "anthropic": """
import { createAnthropic } from "@ai-sdk/anthropic";
const provider = createAnthropic({ baseURL: process.env.GATEWAY_URL + "/v1", apiKey: process.env.GATEWAY_KEY });
""",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_ai_sdk_on_every_upstream_gives_text_streams_tools_and_usage(name: str, desk: Desk, actor: Actor) -> None:
    """The framework does not notice which vendor answers."""
    (desk.work / "node_modules").symlink_to(desk.packages)
    program = desk.work / "program.mjs"
    program.write_text(PROVIDERS[name] + PROGRAM)
    assert_all_work(desk, actor, ["node", program])
