// The playground: the same API that every client uses, from the browser and with the reader's own key.

import { connectTabs } from "./site.js";
import { failure } from "./dom.js";
import { connectKey } from "./key.js";
import { asCurl, asPython } from "./code.js";

const at = (id) => document.getElementById(id);
const key = connectKey(at("key"), at("remember"), at("forget"), () => { at("key-state").textContent = "Forgotten."; });
const headers = () => ({ authorization: `Bearer ${key.get()}` });

// --- tabs and models ---

connectTabs([at("tab-chat"), at("tab-images")], [at("panel-chat"), at("panel-images")]);

function follow(select, about, onChange = () => {}) {
  if (!select) return;
  const tell = () => { about.textContent = select.selectedOptions[0]?.dataset.about ?? ""; onChange(select.selectedOptions[0]); };
  select.addEventListener("change", tell);
  tell();
}
follow(at("chat-model"), at("chat-model-about"), (option) => {
  at("attach-box").hidden = !(option?.dataset.inputs ?? "").split(" ").includes("image");
});
follow(at("image-model"), at("image-model-about"));
if (at("image-model")?.querySelector("[selected]")) at("tab-images").click();

// --- chat ---

const thread = at("thread");
at("settings").open = window.matchMedia("(min-width: 52rem)").matches;
let messages = [];
let pictures = [];
let running = null;

function bubble(role, text = "") {
  const item = document.createElement("li");
  item.className = role;
  item.textContent = text;
  thread.append(item);
  item.scrollIntoView({ block: "nearest" });
  return item;
}

function readAsDataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

at("attach").addEventListener("change", async (event) => {
  for (const file of event.target.files) {
    const url = await readAsDataUrl(file);
    pictures.push(url);
    const image = document.createElement("img");
    image.src = url;
    image.alt = file.name;
    at("attached").append(image);
  }
  event.target.value = "";
});

function request() {
  const body = { model: at("chat-model").value, messages: [...messages], stream: true, stream_options: { include_usage: true } };
  if (at("system").value.trim()) body.messages.unshift({ role: "system", content: at("system").value.trim() });
  if (at("temperature").value) body.temperature = Number(at("temperature").value);
  if (at("max-tokens").value) body.max_tokens = Number(at("max-tokens").value);
  return body;
}

/** Cut a stream of bytes into the data of its events (the HTML standard's event stream, as far as this API uses it). */
async function* events(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value ?? new Uint8Array(), { stream: !done });
    const parts = rest.split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      if (data) yield data;
    }
    if (done) return;
  }
}

/** Whether the reader is at the end of the conversation; who has scrolled up to read is left there. */
const endIsSeen = () => at("ask").getBoundingClientRect().top <= window.innerHeight;

async function answerInto(item) {
  const began = performance.now();
  const said = { text: "", thought: "", first: 0, usage: null };
  running = new AbortController();
  const answer = await fetch("/v1/chat/completions", {
    method: "POST", signal: running.signal, headers: { ...headers(), "content-type": "application/json" }, body: JSON.stringify(request()),
  });
  if (!answer.ok) throw new Error(await failure(answer));
  item.setAttribute("aria-busy", "true"); // it is read out when it is whole, and not token by token
  const text = document.createTextNode("");
  const thought = document.createElement("span");
  thought.className = "thought";
  item.append(thought, text);
  try {
    for await (const data of events(answer.body)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(`${chunk.error.message} (${chunk.error.request_id ?? chunk.error.code})`);
      said.usage = chunk.usage ?? said.usage;
      const delta = chunk.choices?.[0]?.delta ?? {};
      said.first ||= delta.content || delta.reasoning_content ? performance.now() - began : 0;
      said.thought += delta.reasoning_content ?? "";
      said.text += delta.content ?? "";
      const follows = endIsSeen();
      thought.textContent = said.thought;
      text.data = said.text;
      if (follows) at("ask").scrollIntoView({ block: "nearest" });
    }
  } finally {
    item.removeAttribute("aria-busy");
    if (said.text) messages.push({ role: "assistant", content: said.text });
  }
  const meta = document.createElement("span");
  meta.className = "meta";
  const spent = said.usage ? `${said.usage.prompt_tokens} + ${said.usage.completion_tokens} tokens, ` : "";
  meta.textContent = `${spent}first token after ${Math.round(said.first)} ms, ${((performance.now() - began) / 1000).toFixed(1)} s in all`;
  item.append(meta);
}

function busy(on) {
  at("send").disabled = on;
  at("stop").hidden = !on;
  at("chat-state").textContent = on ? "Answering …" : "";
}

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = at("prompt").value.trim();
  if (!prompt || running) return;
  if (!key.get()) { at("chat-state").textContent = "Paste your key above first."; at("key").focus(); return; }
  const item = bubble("user", prompt);
  for (const url of pictures) {
    const image = document.createElement("img");
    image.src = url;
    image.alt = "attached picture";
    item.append(image);
  }
  const content = pictures.length ? [{ type: "text", text: prompt }, ...pictures.map((url) => ({ type: "image_url", image_url: { url } }))] : prompt;
  messages.push({ role: "user", content });
  at("prompt").value = "";
  at("attached").replaceChildren();
  pictures = [];
  const reply = bubble("assistant");
  busy(true);
  try {
    await answerInto(reply);
  } catch (error) {
    if (error.name === "AbortError") {
      reply.append(" (stopped)");
    } else {
      if (!reply.textContent) reply.remove();
      bubble("error", error.message);
    }
  } finally {
    running = null;
    busy(false);
  }
});
at("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); at("ask").requestSubmit(); }
});
at("stop").addEventListener("click", () => running?.abort());
at("new-chat").addEventListener("click", () => { running?.abort(); messages = []; thread.replaceChildren(); });

/** The request of the last question, or of the one that is being written. */
function requestToShow() {
  const body = request();
  const draft = at("prompt").value.trim();
  if (draft) body.messages.push({ role: "user", content: draft });
  while (body.messages.at(-1)?.role === "assistant") body.messages.pop();
  if (body.messages.at(-1)?.role !== "user") body.messages.push({ role: "user", content: "Hello" });
  return body;
}

at("show-code").addEventListener("click", () => {
  const body = requestToShow();
  at("code-curl").textContent = asCurl(`${location.origin}/v1`, body);
  at("code-python").textContent = asPython(`${location.origin}/v1`, body);
  at("code-box").showModal();
});
connectTabs([at("tab-curl"), at("tab-python")], [at("code-curl"), at("code-python")]);
at("code-copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(at("code-box").querySelector("pre:not([hidden])").textContent);
  at("code-copy").textContent = "Copied";
  setTimeout(() => { at("code-copy").textContent = "Copy"; }, 1500);
});
at("code-close").addEventListener("click", () => at("code-box").close());

// --- images ---

async function draw() {
  const model = at("image-model").value;
  const prompt = at("image-prompt").value.trim();
  const size = at("size").value;
  const [source] = at("source").files;
  if (!source) {
    const body = { model, prompt, response_format: "b64_json", ...(size && { size }) };
    return fetch("/v1/images/generations", { method: "POST", headers: { ...headers(), "content-type": "application/json" }, body: JSON.stringify(body) });
  }
  const form = new FormData();
  form.set("model", model);
  form.set("prompt", prompt);
  if (size) form.set("size", size);
  form.set("image", source);
  return fetch("/v1/images/edits", { method: "POST", headers: headers(), body: form });
}

function hang(item, prompt) {
  const type = item.b64_json.startsWith("/9j/") ? "jpeg" : item.b64_json.startsWith("UklG") ? "webp" : "png";
  const url = `data:image/${type};base64,${item.b64_json}`;
  const entry = document.createElement("li");
  const figure = document.createElement("figure");
  const image = document.createElement("img");
  image.src = url;
  image.alt = prompt;
  const caption = document.createElement("figcaption");
  const words = document.createElement("span");
  words.textContent = prompt;
  const link = document.createElement("a");
  link.className = "button quiet";
  link.href = url;
  link.download = `picture.${type}`;
  link.textContent = "Download";
  caption.append(words, link);
  figure.append(image, caption);
  entry.append(figure);
  at("gallery").prepend(entry);
}

at("draw")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const state = at("image-state");
  const prompt = at("image-prompt").value.trim();
  if (!prompt) return;
  if (!key.get()) { state.textContent = "Paste your key above first."; at("key").focus(); return; }
  at("draw-button").disabled = true;
  state.textContent = "Drawing …";
  try {
    const answer = await draw();
    if (!answer.ok) throw new Error(await failure(answer));
    for (const item of (await answer.json()).data) hang(item, prompt);
    state.textContent = "";
  } catch (error) {
    state.textContent = error.message;
  } finally {
    at("draw-button").disabled = false;
  }
});
