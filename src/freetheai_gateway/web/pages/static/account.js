// The account as its owner sees it: signed in, or with the key that they pasted.

import { dayChart } from "./chart.js";
import { failure, instant, make, number } from "./dom.js";
import { connectKey } from "./key.js";
import { table } from "./table.js";

const at = (id) => document.getElementById(id);
const state = at("state");
const csrf = at("who")?.dataset.csrf;
const key = csrf ? null : connectKey(at("key"), at("remember"), at("forget"), () => { at("account").hidden = true; state.textContent = "Forgotten."; });
const RULES = { requests_per_minute: "Requests this minute", tokens_per_minute: "Tokens this minute", concurrency: "Running now", daily_requests: "Answers today", images_per_day: "Images today", image_cooldown: "Images cooling down" };
const STATUSES = { answered: "Answered", client_errors: "Refused (4xx)", canceled: "You left (499)", server_errors: "Failed (5xx)" };
const LIVE_MS = 5_000;

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: csrf ? { "x-csrf-token": csrf } : { authorization: `Bearer ${key.get()}` } });
  if (!answer.ok) throw new Error(await failure(answer));
  return answer;
}

const read = async (path, options) => (await ask(path, options)).json();

/** Do what the reader asked for, and say what went wrong. */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    state.textContent = error.message;
  }
}

function fact(name, ...value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
}

function facts(account) {
  const next = account.next_tier;
  const list = [
    fact("Name", account.name),
    fact("Key", account.key ? make("code", {}, `${account.key.prefix}…`) : "none: run /signup in Discord"),
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

function showLimits(account) {
  at("limits").replaceChildren(...(account.limits.length ? account.limits.map(meter) : [make("p", {}, "This account has no limits.")]));
}

function showUsage({ days, models, statuses }) {
  const failed = days.reduce((sum, day) => sum + day.requests - day.successes, 0);
  at("chart").replaceChildren(dayChart(days));
  at("legend").textContent = `${number(days.reduce((sum, day) => sum + day.requests, 0))} requests, ${number(failed)} of them failed.`;
  at("models").replaceChildren(table("Usage by model", {
    Model: (row) => make("code", {}, row.model),
    Requests: (row) => number(row.requests),
    Answered: (row) => number(row.successes),
    "Tokens in": (row) => number(row.input_tokens),
    "Tokens out": (row) => number(row.output_tokens),
  }, models, { numbers: ["Requests", "Answered", "Tokens in", "Tokens out"], empty: "No request yet." }));
  at("statuses").replaceChildren(table("Usage by status", { Status: (row) => STATUSES[row.status] ?? row.status, Requests: (row) => number(row.requests) }, statuses, { numbers: ["Requests"], empty: "No request yet." }));
}

const REQUESTS = {
  When: (row) => instant(row.started_at),
  Model: (row) => make("code", {}, row.model || "–"),
  Status: (row) => `${row.status}${row.code ? ` ${row.code}` : ""}`,
  In: (row) => number(row.input_tokens),
  Out: (row) => number(row.output_tokens),
  ms: (row) => number(row.duration_ms),
  Request: (row) => make("code", {}, row.request_id),
};

async function showRequests(cursor = "", before = []) {
  const { data, next_cursor } = await read(`/v1/account/requests?${new URLSearchParams({ limit: "25", ...(cursor && { cursor }) })}`);
  const rows = [...before, ...data];
  const shown = [table("Latest requests", REQUESTS, rows, { numbers: ["In", "Out", "ms"], empty: "No request yet." })];
  if (next_cursor) {
    const more = make("button", { type: "button", class: "quiet" }, "More");
    more.addEventListener("click", () => attempt(() => showRequests(next_cursor, rows)));
    shown.push(more);
  }
  at("requests").replaceChildren(...shown);
}

async function show() {
  if (key && !key.get()) { state.textContent = "Paste your key first."; at("key").focus(); return; }
  state.textContent = "Asking …";
  at("account").hidden = true;
  await attempt(async () => {
    const account = await read("/v1/account");
    const mayChange = Boolean(csrf) || !account.has_discord;
    at("facts").replaceChildren(...facts(account));
    showLimits(account);
    showUsage(account.usage);
    await showRequests();
    at("rotate").hidden = !mayChange || !account.key;
    at("erase").hidden = !mayChange;
    if (!mayChange) {
      at("rotate-words").textContent = "Run /resetkey in Discord, or sign in: this account belongs to a Discord identity, so a key alone may only read.";
      at("erase-words").textContent = "Sign in with Discord to erase your data.";
    }
    at("account").hidden = false;
    state.textContent = "";
  });
}

/** Keep the limits live while somebody looks. */
setInterval(() => {
  if (document.hidden || at("account").hidden) return;
  read("/v1/account").then(showLimits).catch(() => {}); // the next look, or the next click, tells
}, LIVE_MS);

at("show")?.addEventListener("submit", (event) => { event.preventDefault(); show(); });
at("export").addEventListener("click", () => attempt(async () => {
  const url = URL.createObjectURL(await (await ask("/v1/account/export")).blob());
  make("a", { href: url, download: "my-data.json" }).click();
  URL.revokeObjectURL(url);
}));
at("rotate").addEventListener("click", () => {
  if (!window.confirm("Replace your key? The old one stops working at once.")) return;
  attempt(async () => {
    const made = await read("/v1/account/key", { method: "POST" });
    key?.set(made.key);
    await show();
    at("new-key").hidden = false;
    at("new-key").querySelector("code").textContent = made.key;
  });
});
at("erase").addEventListener("click", () => {
  const box = at("erase-box");
  box.returnValue = "";
  at("erase-form").reset();
  box.showModal();
  box.addEventListener("close", () => {
    if (box.returnValue !== "yes") return;
    attempt(async () => {
      await ask("/v1/account", { method: "DELETE", body: JSON.stringify({ confirm: "erase" }) });
      key?.set("");
      at("account").hidden = true;
      state.textContent = "Your data is erased.";
    });
  }, { once: true });
});
if ((csrf && !at("no-account")) || key?.get()) show();
