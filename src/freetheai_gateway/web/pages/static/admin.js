// The operator's pages over the admin API, signed in or with the token. Everything that comes from there is text.

import { connectTabs } from "./site.js";
import { accountDetail } from "./admin-account.js";
import { failure, instant, make, number } from "./dom.js";
import { table } from "./table.js";

const at = (id) => document.getElementById(id);
const TOKEN = "freetheai-admin";
const LIVE_MS = 3_000;
const csrf = at("who")?.dataset.csrf;

async function api(method, path, body) {
  const who = csrf ? { "x-csrf-token": csrf } : { authorization: `Bearer ${at("token").value}` };
  const answer = await fetch(`/admin/api/${path}`, {
    method,
    headers: { ...who, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw await refusal(answer, path);
  return answer.json();
}

/** Read why not; the mistakes of a configuration come with it. */
async function refusal(answer, path) {
  if (answer.status === 404 && path.startsWith("accounts?")) return new Error("The admin API is off: set server.admin_token.");
  const copy = answer.clone();
  const error = new Error(await failure(answer));
  error.problems = (await copy.json().catch(() => ({})))?.error?.problems ?? [];
  return error;
}

/** Run something the operator asked for; what goes wrong is said at the top. */
async function attempt(work, done = "") {
  try {
    await work();
    at("state").textContent = done;
  } catch (error) {
    at("state").textContent = error.message;
    if (error.problems?.length) at("reload-answer").replaceChildren(...problems(error.problems));
  }
}

/** Ask for a few fields in a dialog; `null` where the operator thought better of it. */
function askFor(title, fields) {
  at("ask-title").textContent = title;
  at("ask-fields").replaceChildren(...fields.map((field) => make("label", {}, field.label, make("input", { name: field.name, value: field.value ?? "", placeholder: field.hint, required: field.required ?? false, type: field.type ?? "text", maxlength: 200 }))));
  const box = at("ask-box");
  box.returnValue = "";
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener("close", () => resolve(box.returnValue === "yes" ? Object.fromEntries(new FormData(at("ask-form"))) : null), { once: true });
  });
}

const REASON = { name: "reason", label: "Reason (kept in the audit list)" };

function button(label, work, kind = "quiet") {
  const made = make("button", { type: "button", class: kind }, label);
  made.addEventListener("click", () => attempt(work));
  return made;
}

const badge = (text, kind = "") => make("span", { class: `badge ${kind}` }, text);
const state = (account) => badge(account.state, account.state === "active" ? "status-up" : "status-degraded");
const limit = (value) => (value === null ? "no limit" : number(value));
const detail = accountDetail({ api, askFor, button, state, at, REASON, changed: () => accounts() });

// --- accounts, keys, tiers ---

async function accounts(cursor = "") {
  const query = new URLSearchParams({ limit: "50", ...(at("search").value && { search: at("search").value }), ...(cursor && { cursor }) });
  const { data, next_cursor } = await api("GET", `accounts?${query}`);
  const list = table("Accounts", {
    Name: (row) => button(row.name || row.id, () => detail(row.id)),
    Tier: (row) => (row.unlimited ? "no limits" : `${row.tier} (${row.tier_source})`),
    State: state,
    Discord: (row) => row.discord_id ?? "–",
    Since: (row) => row.created_at.slice(0, 10),
  }, data);
  at("accounts-list").replaceChildren(list, ...(next_cursor ? [button("More", () => accounts(next_cursor))] : []));
}

async function keys(cursor = "") {
  const { data, next_cursor } = await api("GET", `keys?${new URLSearchParams({ limit: "100", ...(cursor && { cursor }) })}`);
  const list = table("Keys", {
    Key: (row) => make("code", {}, `${row.prefix}…`),
    Name: (row) => row.name,
    Account: (row) => button(row.account_id, async () => { at("tab-accounts").click(); await detail(row.account_id); }),
    Since: (row) => row.created_at.slice(0, 10),
    State: (row) => (row.revoked_at ? `revoked ${row.revoked_at.slice(0, 10)}` : "valid"),
  }, data);
  at("keys-list").replaceChildren(list, ...(next_cursor ? [button("More", () => keys(next_cursor))] : []));
}

async function tiers() {
  at("tiers-list").replaceChildren(table("Tiers", {
    Tier: (row) => make("span", {}, `${row.level} `, make("strong", {}, row.name), row.is_default ? " (default)" : ""),
    "Requests a minute": (row) => limit(row.requests_per_minute),
    "At once": (row) => limit(row.concurrency),
    "Tokens a minute": (row) => limit(row.tokens_per_minute),
    "Answers a day": (row) => limit(row.daily_requests),
    "Images a day": (row) => limit(row.images_per_day),
    "Models": (row) => number(row.opens_models),
    "Opens the families": (row) => row.families.join(", ") || "–",
  }, (await api("GET", "tiers")).data));
}

at("find").addEventListener("submit", (event) => { event.preventDefault(); attempt(() => accounts()); });
at("new-account").addEventListener("click", () => attempt(async () => {
  const given = await askFor("New account", [{ name: "name", label: "Name", required: true }, { name: "tier", label: "Tier; empty = the default", type: "number" }, REASON]);
  if (!given) return;
  const { tier, reason, name } = given;
  const made = await api("POST", "accounts", { name, ...(tier && { tier: Number(tier) }), ...(reason && { reason }) });
  await accounts();
  await detail(made.id, made.key);
}));

// --- upstreams ---

const READINESS = { ready: "status-up", loading: "status-degraded", not_configured: "" };
const BREAKER = { closed: "status-up", half_open: "status-degraded", open: "status-down" };

function pool(row) {
  const most = row.max_concurrency ?? Math.max(1, row.in_flight);
  const load = make("div", { class: "meter" }, make("label", {}, "Running now", make("meter", { min: 0, max: most, value: row.in_flight, high: most * 0.9 }, `${row.in_flight}`)), make("small", {}, `${number(row.in_flight)} of ${row.max_concurrency === null ? "any number" : number(row.max_concurrency)}`));
  const resting = row.keys.filter((key) => key.rests_s > 0);
  const keyWords = row.keys.length ? `${row.keys.length - resting.length} of ${row.keys.length} keys in use${resting.map((key) => `; key ${key.number} rests ${Math.ceil(key.rests_s)} s (${key.reason ?? "unknown"})`).join("")}` : "needs no key";
  const budget = row.daily_budget_usd === null ? null : make("p", {}, `$${row.spent_today_usd.toFixed(2)} of $${row.daily_budget_usd.toFixed(2)} spent today`);
  const models = table(`Models at ${row.provider}`, {
    Model: (model) => make("code", {}, model.id),
    "There called": (model) => model.upstream_model,
    Breaker: (model) => badge(model.breaker.replace("_", " "), BREAKER[model.breaker]),
    Running: (model) => number(model.in_flight),
    "First content, ms": (model) => number(model.latency_ms),
  }, row.models, { numbers: ["Running", "First content, ms"], empty: "Serves no model." });
  return make("section", { class: "pool" }, make("h3", {}, row.provider, " ", badge(row.readiness.replace("_", " "), READINESS[row.readiness]), row.shared_with_members ? null : badge("operators only")), make("p", { class: "hint" }, row.dialects.join(", ")), load, make("p", {}, keyWords), budget, models);
}

async function upstreams() {
  const { data } = await api("GET", "upstreams");
  at("upstreams-list").replaceChildren(...data.map(pool));
}

setInterval(() => {
  if (!document.hidden && !at("inside").hidden && !at("panel-upstreams").hidden) upstreams().catch(() => {}); // the next look, or the next click, tells
}, LIVE_MS);

// --- usage, catalogue, audit ---

async function usage() {
  const by = at("usage-by").value;
  const since = at("usage-since").value;
  const { data } = await api("GET", `usage?${new URLSearchParams({ by, ...(since && { since }) })}`);
  const first = { day: (row) => row.day, model: (row) => row.model, provider: (row) => row.provider, account: (row) => row.account_id }[by];
  const sums = ["requests", "successes", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "images"];
  const columns = Object.fromEntries(sums.map((name) => [name.replaceAll("_", " "), (row) => number(row[name])]));
  at("usage-list").replaceChildren(table("Usage", { [by]: first, ...columns, "cost, $": (row) => row.cost_usd.toFixed(4) }, data, { numbers: [...Object.keys(columns), "cost, $"] }));
}

const served = (upstream) => make("li", {}, make("strong", {}, upstream.provider), ` ${upstream.model}, priority ${upstream.priority}, weight ${upstream.weight}`, make("small", {}, ` $${upstream.input_per_million} in, $${upstream.output_per_million} out per million${upstream.per_image ? `, $${upstream.per_image} an image` : ""}${upstream.quirks.length ? `; ${upstream.quirks.join("; ")}` : ""}`));

async function catalogue() {
  at("catalogue-list").replaceChildren(table("Catalogue", {
    Model: (row) => make("span", {}, make("code", {}, row.id), make("br"), make("small", {}, `${row.kind}, ${row.family}`)),
    Tier: (row) => row.tier ?? `${row.tier_rank}, above all tiers`,
    State: (row) => (row.retired ? badge(row.replaced_by ? `retired: ${row.replaced_by}` : "retired") : row.set_up ? badge(row.open_to_members ? "set up" : "operators only", "status-up") : badge("not set up", "status-degraded")),
    Takes: (row) => row.inputs.join(", "),
    Features: (row) => row.features.join(", ") || "–",
    Context: (row) => number(row.context_window),
    Output: (row) => make("span", {}, number(row.max_output_tokens), row.default_output_tokens ? make("small", {}, ` (${number(row.default_output_tokens)} unless asked)`) : null),
    Aliases: (row) => row.aliases.join(", ") || "–",
    "Served by": (row) => make("ul", { class: "plain" }, ...row.upstreams.map(served)),
  }, (await api("GET", "catalogue")).data, { numbers: ["Context", "Output"] }));
}

const word = (value) => (value === null || value === "" ? "none" : Array.isArray(value) ? value.join(", ") : String(value));

function change(entry) {
  const names = [...new Set([...Object.keys(entry.before), ...Object.keys(entry.after)])];
  const parts = names.filter((name) => word(entry.before[name] ?? null) !== word(entry.after[name] ?? null));
  return make("ul", { class: "plain" }, ...parts.map((name) => make("li", {}, `${name}: `, name in entry.before && name in entry.after ? `${word(entry.before[name])} → ${word(entry.after[name])}` : word(entry.after[name] ?? entry.before[name]))));
}

async function audit(cursor = "", before = []) {
  const { data, next_cursor } = await api("GET", `audit?${new URLSearchParams({ limit: "100", ...(cursor && { cursor }) })}`);
  const rows = [...before, ...data];
  at("audit-list").replaceChildren(table("Audit", {
    When: (row) => instant(row.at),
    Who: (row) => row.actor,
    What: (row) => row.action,
    Of: (row) => make("code", {}, row.subject),
    Change: change,
    Why: (row) => row.reason ?? "–",
  }, rows), ...(next_cursor ? [button("More", () => audit(next_cursor, rows))] : []));
}

for (const id of ["usage-by", "usage-since"]) at(id).addEventListener("change", () => attempt(usage));

// --- reload ---

const SIGNS = { "+": "added", "-": "removed", "~": "changed" };

function problems(found) {
  return [make("h3", {}, "Refused: nothing was changed"), make("ul", {}, ...found.map((each) => make("li", {}, make("code", {}, each.where), each.line ? ` (line ${each.line})` : "", `: ${each.message}`, each.hint ? make("small", {}, ` ${each.hint}`) : null)))];
}

function outcome(answer) {
  const rows = Object.entries(answer.changed).flatMap(([name, entries]) => entries.map((entry) => ({ name, sign: entry[0], entry: entry.slice(1) })));
  return [
    make("h3", {}, answer.applied ? "Applied" : "Would change"),
    table("Changes", {
      "": (row) => badge(SIGNS[row.sign] ?? row.sign, { "+": "status-up", "-": "status-down", "~": "status-degraded" }[row.sign]),
      Table: (row) => row.name,
      Entry: (row) => (row.entry ? make("code", {}, row.entry) : "all of it"),
      Fields: (row) => answer.fields.filter((field) => field.startsWith(row.entry ? `${row.name}.${row.entry}.` : `${row.name}.`)).map((field) => field.split(".").pop()).join(", ") || "–",
    }, rows, { empty: "Nothing differs." }),
    ...(answer.needs_restart.length ? [make("p", { class: "note warn" }, `Only a restart changes: ${answer.needs_restart.join(", ")}`)] : []),
  ];
}

for (const [id, dry_run] of [["compare", true], ["apply", false]]) {
  at(id).addEventListener("click", () => attempt(async () => {
    at("reload-answer").replaceChildren();
    at("apply").disabled = true;
    const answer = await api("POST", "reload", { dry_run });
    at("reload-answer").replaceChildren(...outcome(answer));
    at("apply").disabled = !dry_run;
  }));
}

// --- in and out ---

const load = { accounts, keys, tiers, upstreams, usage, catalogue, audit, async reload() { at("reload-answer").replaceChildren(); at("apply").disabled = true; } };
const NAMES = Object.keys(load);
connectTabs(NAMES.map((name) => at(`tab-${name}`)), NAMES.map((name) => at(`panel-${name}`)), (index) => attempt(() => load[NAMES[index]]()));

async function enter() {
  await attempt(async () => {
    await accounts();
    if (!csrf) sessionStorage.setItem(TOKEN, at("token").value);
    at("inside").hidden = false;
  });
}

if (csrf) enter();
const token = at("token");
if (token) {
  token.value = sessionStorage.getItem(TOKEN) ?? "";
  at("enter").addEventListener("submit", (event) => { event.preventDefault(); enter(); });
  at("leave").addEventListener("click", () => { sessionStorage.removeItem(TOKEN); token.value = ""; at("inside").hidden = true; at("state").textContent = "You left."; });
  if (token.value) enter();
}
