// The account as its key sees it.

import { failure, make, number } from "./dom.js";
import { connectKey } from "./key.js";

const at = (id) => document.getElementById(id);
const state = at("key-state");
const key = connectKey(at("key"), at("remember"), at("forget"), () => { at("account").hidden = true; state.textContent = "Forgotten."; });
const RULES = { requests_per_minute: "Requests this minute", tokens_per_minute: "Tokens this minute", concurrency: "Running now", daily_requests: "Answers today", images_per_day: "Images today", image_cooldown: "Images cooling down" };
let shown = null;

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { authorization: `Bearer ${key.get()}` } });
  if (!answer.ok) throw new Error(await failure(answer));
  return answer.json();
}

function fact(name, ...value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
}

function facts(account) {
  const next = account.next_tier;
  const list = [
    fact("Name", account.name),
    fact("Key", make("code", {}, `${account.key.prefix}…`)),
    fact("Tier", account.unlimited ? "no limits" : account.tier, make("small", {}, ` (${account.tier_source})`)),
    fact("State", account.state, account.pause_reason ? make("small", {}, ` ${account.pause_reason}`) : null),
  ];
  if (next && !account.unlimited) list.push(fact("Next tier", next.name, make("small", {}, ` opens ${number(next.opens_models)} more models, ${number(next.requests_per_minute)} requests a minute`)));
  return list;
}

function meter(limit) {
  const label = RULES[limit.rule] ?? limit.rule;
  const words = `${number(limit.used)} of ${number(limit.limit)}`;
  return make("div", { class: "meter" }, make("label", {}, label, make("meter", { min: 0, max: limit.limit, value: Math.min(limit.used, limit.limit), high: limit.limit * 0.9 }, words)), make("small", {}, words));
}

/** Draw requests per day as bars; the numbers are in the title of each and in the table below. */
function chart(days) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const most = Math.max(1, ...days.map((day) => day.requests));
  svg.setAttribute("viewBox", `0 0 ${days.length * 10} 60`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Requests on each of ${days.length} days, at most ${most}`);
  days.forEach((day, index) => {
    const bar = document.createElementNS(svg.namespaceURI, "rect");
    const height = (day.requests / most) * 58;
    for (const [name, value] of Object.entries({ x: index * 10 + 1, y: 60 - height, width: 8, height, rx: 1 })) bar.setAttribute(name, value);
    const title = document.createElementNS(svg.namespaceURI, "title");
    title.textContent = `${day.day}: ${day.requests} requests, ${day.input_tokens + day.output_tokens} tokens`;
    bar.append(title);
    svg.append(bar);
  });
  return svg;
}

function row(model) {
  const cell = (value) => make("td", { class: "num" }, number(value));
  return make("tr", {}, make("td", {}, make("code", {}, model.model)), cell(model.requests), cell(model.successes), cell(model.input_tokens), cell(model.output_tokens));
}

async function show() {
  if (!key.get()) { state.textContent = "Paste your key first."; at("key").focus(); return; }
  state.textContent = "Asking …";
  try {
    shown = await ask("/v1/account");
  } catch (error) {
    at("account").hidden = true;
    state.textContent = error.message;
    return;
  }
  state.textContent = "";
  at("facts").replaceChildren(...facts(shown));
  at("limits").replaceChildren(...(shown.limits.length ? shown.limits.map(meter) : [make("p", {}, "This account has no limits.")]));
  at("chart").replaceChildren(chart(shown.usage.days));
  at("models").replaceChildren(...shown.usage.models.map(row));
  at("rotate").hidden = shown.has_discord;
  at("rotate-words").textContent = shown.has_discord ? "Run /resetkey in Discord: this account belongs to a Discord identity, so a key alone may only read." : "The old key stops working at once; limits and history stay.";
  at("account").hidden = false;
}

at("show").addEventListener("submit", (event) => { event.preventDefault(); show(); });
at("export").addEventListener("click", () => {
  const link = make("a", { href: `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(shown, null, 2))}`, download: "account.json" });
  link.click();
});
at("rotate").addEventListener("click", async () => {
  if (!window.confirm("Replace your key? The old one stops working at once.")) return;
  try {
    const made = await ask("/v1/account/key", { method: "POST" });
    key.set(made.key);
    at("new-key").hidden = false;
    at("new-key").querySelector("code").textContent = made.key;
    await show();
  } catch (error) {
    state.textContent = error.message;
  }
});
if (key.get()) show();
