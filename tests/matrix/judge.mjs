// The official npm SDKs as judges. One process serves all cells: a job comes as one line of JSON, the SDK's request goes
// out as one, the gateway's reply comes back as one, and what the SDK made of it goes out as the last.

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => JSON.parse((await lines.next()).value);
const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const PIECES = [1, 7, 64, 3, 400];

/** Give bytes as a body that arrives in pieces, cut anywhere. */
function inPieces(bytes) {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = PIECES[turn++ % PIECES.length];
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
}

async function gateway(url, { body }) {
  write({ request: JSON.parse(body), path: new URL(url).pathname });
  const reply = await read();
  return new Response(inPieces(Buffer.from(reply.body, "base64")), { status: reply.status, headers: reply.headers });
}

const given = { apiKey: "fta_key", maxRetries: 0, fetch: gateway };
const openai = new OpenAI({ ...given, baseURL: "http://gateway/v1" });
const anthropic = new Anthropic({ ...given, baseURL: "http://gateway" });

const ask = {
  openai_chat: {
    whole: (fields) => openai.chat.completions.create(fields),
    async streamed(fields) {
      const stream = openai.chat.completions.stream({ ...fields, stream_options: { include_usage: true } });
      let snapshot;
      let thought = "";
      stream.on("chunk", (chunk, soFar) => {
        snapshot = soFar;
        thought += chunk.choices[0]?.delta?.reasoning_content ?? "";
      });
      let final;
      try {
        final = await stream.finalChatCompletion();
      } catch (error) {
        // It raises where the answer was cut short or filtered; the snapshot tells how.
        if (!["length", "content_filter"].includes(snapshot?.choices[0]?.finish_reason)) throw error;
        final = snapshot;
      }
      // This accumulator keeps only the last piece of a field that it does not know; its users join it themselves.
      if (thought) final.choices[0].message.reasoning_content = thought;
      return final;
    },
  },
  openai_responses: {
    whole: (fields) => openai.responses.create(fields),
    async streamed(fields) {
      const stream = openai.responses.stream(fields);
      const numbers = [];
      let last;
      for await (const event of stream) {
        numbers.push(event.sequence_number);
        last = event;
      }
      if (numbers.some((number, index) => index && number <= numbers[index - 1])) throw new Error(`sequence numbers do not rise: ${numbers}`);
      const final = await stream.finalResponse().catch(() => last.response);
      if (!["response.completed", "response.incomplete", "response.failed"].includes(last.type)) throw new Error(`the stream ends in ${last.type}`);
      return last.type === "response.failed" ? last.response : final;
    },
  },
  anthropic_messages: {
    whole: (fields) => anthropic.messages.create(fields),
    streamed: (fields) => anthropic.messages.stream(fields).finalMessage(),
  },
};

/** Say what was raised: the status before the first byte, and the vendor's words for what it is. */
function failed(error) {
  if (!(error instanceof OpenAI.APIError || error instanceof Anthropic.APIError)) {
    return { crashed: `${error?.stack ?? error}` };
  }
  const inner = error.error?.error ?? error.error ?? {};
  return { failed: { status: error.status ?? null, kind: error.code ?? inner.type ?? error.type ?? "", message: error.message } };
}

for (;;) {
  const { value: line, done } = await lines.next();
  if (done) break;
  const job = JSON.parse(line);
  try {
    write({ heard: await ask[job.client][job.streamed ? "streamed" : "whole"](job.fields) });
  } catch (error) {
    write(failed(error));
  }
}
