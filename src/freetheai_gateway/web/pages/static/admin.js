// The operator's pages over the admin API. Everything that comes from there is text, never markup.

import { connectTabs } from "./site.js";
import { failure, make, number } from "./dom.js";

const at = (id) => document.getElementById(id);
const TOKEN = "freetheai-admin";
const NAMES = ["accounts", "upstreams", "usage", "catalogue", "audit", "reload"];

async function api(method, path, body) {
  const answer = await fetch(`/admin/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${at("token").value}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(answer.status === 404 && path.startsWith("accounts?") ? "The admin API is off: set server.admin_token." : await failure(answer));
  return answer.json();
}

/** Run something the operator asked for; what goes wrong is said at the top. */
async function attempt(work, done = "") {
  try {
    await work();
    at("state").textContent = done;
  } catch (error) {
    at("state").textContent = error.message;
  }
}

function table(label, columns, rows) {
  const head = make("tr", {}, ...Object.keys(columns).map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map((row) => make("tr", {}, ...Object.values(columns).map((cell) => make("td", {}, cell(row)))));
  if (!rows.length) return make("p", { class: "empty" }, "Nothing here.");
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
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

const state = (account) => make("span", { class: `badge ${account.state === "active" ? "status-up" : "status-degraded"}` }, account.state);

// --- accounts ---

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

function shownOnce(made) {
  return make("p", { class: "note good" }, "The new key, shown only now: ", make("code", {}, made.key));
}

async function detail(id, ...notes) {
  const account = await api("GET", `accounts/${id}`);
  const limits = await api("GET", `limits/${id}`);
  const change = (title, fields, send) => async () => {
    const given = await askFor(title, [...fields, REASON]);
    if (!given) return;
    const { reason, ...rest } = given;
    const made = await send({ ...rest, ...(reason && { reason }) });
    await detail(id, ...(made?.key && typeof made.key === "string" ? [shownOnce(made)] : []));
    await accounts();
  };
  const paused = account.state === "paused";
  const actions = [
    button("Tier", change(`Tier of ${account.name}`, [{ name: "tier", label: "Level; empty = by roles and default", value: account.tier_source === "override" ? account.tier : "", type: "number" }], ({ tier, ...rest }) => api("PATCH", `accounts/${id}`, { ...rest, tier: tier === "" ? null : Number(tier) }))),
    button(account.unlimited ? "Give limits" : "Take limits away", change(account.unlimited ? "Give the account limits again" : "Take all limits away", [], (rest) => api("PATCH", `accounts/${id}`, { ...rest, unlimited: !account.unlimited }))),
    paused
      ? button("Restore", change(`Restore ${account.name}`, [], (rest) => api("DELETE", `accounts/${id}/suspension`, rest)))
      : button("Suspend", change(`Suspend ${account.name}`, [{ name: "until", label: "Until, such as 3d or 2026-12-31T18:00:00Z; empty = until restored" }], ({ until, ...rest }) => api("PUT", `accounts/${id}/suspension`, { ...rest, ...(until && { until }) })), "danger"),
    button("New key", change("Give the account one more key", [{ name: "name", label: "Name of the key", required: true }], (rest) => api("POST", `accounts/${id}/keys`, rest))),
  ];
  const keys = table("Keys", {
    Key: (key) => make("code", {}, `${key.prefix}…`),
    Name: (key) => key.name,
    State: (key) => (key.revoked_at ? `revoked ${key.revoked_at.slice(0, 10)}` : "valid"),
    "": (key) => (key.revoked_at ? "" : make("span", { class: "row" }, button("Rotate", change("Replace the key", [], (rest) => api("POST", `keys/${key.id}/rotate`, rest))), button("Revoke", change("Revoke the key", [], (rest) => api("DELETE", `keys/${key.id}`, rest)), "danger"))),
  }, account.keys);
  const standing = table("Limits in force", { Rule: (limit) => limit.rule, Limit: (limit) => number(limit.limit), Used: (limit) => number(limit.used), "Back in, s": (limit) => number(Math.ceil(limit.reset_s)) }, limits.limits);
  at("account-detail").replaceChildren(
    make("h2", {}, account.name, " ", state(account)),
    make("p", {}, make("code", {}, account.id), account.pause_reason ? ` suspended: ${account.pause_reason}` : ""),
    ...notes, make("div", { class: "row" }, ...actions), make("h3", {}, "Keys"), keys, make("h3", {}, "Limits"), standing,
  );
}

at("find").addEventListener("submit", (event) => { event.preventDefault(); attempt(() => accounts()); });
at("new-account").addEventListener("click", () => attempt(async () => {
  const given = await askFor("New account", [{ name: "name", label: "Name", required: true }, { name: "tier", label: "Tier; empty = the default", type: "number" }, REASON]);
  if (!given) return;
  const { tier, reason, name } = given;
  const made = await api("POST", "accounts", { name, ...(tier && { tier: Number(tier) }), ...(reason && { reason }) });
  await accounts();
  await detail(made.id, shownOnce(made.key));
}));

// --- the other lists ---

const cells = (row, without = []) => Object.keys(row).filter((name) => !without.includes(name));
const text = (value) => (value === null || value === undefined || value === "" ? "–" : typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? number(value) : String(value));

function plain(label, rows, without) {
  if (!rows.length) return make("p", { class: "empty" }, "Nothing here.");
  return table(label, Object.fromEntries(cells(rows[0], without).map((name) => [name.replaceAll("_", " "), (row) => text(row[name])])), rows);
}

const load = {
  accounts,
  async upstreams() { at("upstreams-list").replaceChildren(plain("Upstreams", (await api("GET", "upstreams")).data)); },
  async usage() {
    const by = at("usage-by").value;
    const since = at("usage-since").value;
    const { data } = await api("GET", `usage?${new URLSearchParams({ by, ...(since && { since }) })}`);
    const other = ["day", "account_id", "model", "provider"].filter((name) => !name.startsWith(by));
    at("usage-list").replaceChildren(plain("Usage", data, other));
  },
  async catalogue() { at("catalogue-list").replaceChildren(plain("Catalogue", (await api("GET", "catalogue")).data)); },
  async audit() { at("audit-list").replaceChildren(plain("Audit", (await api("GET", "audit?limit=100")).data)); },
  async reload() { at("reload-answer").replaceChildren(); at("apply").disabled = true; },
};
for (const id of ["usage-by", "usage-since"]) at(id).addEventListener("change", () => attempt(load.usage));

function outcome(answer) {
  const parts = Object.entries(answer.changed).map(([name, entries]) => make("li", {}, `${name}: ${entries.join(", ")}`));
  return [
    make("h3", {}, answer.applied ? "Applied" : "Would change"),
    parts.length ? make("ul", {}, ...parts) : make("p", {}, "Nothing."),
    ...(answer.needs_restart.length ? [make("p", { class: "note warn" }, `Only a restart changes: ${answer.needs_restart.join(", ")}`)] : []),
  ];
}

for (const [id, dry_run] of [["compare", true], ["apply", false]]) {
  at(id).addEventListener("click", () => attempt(async () => {
    at("reload-answer").replaceChildren();
    const answer = await api("POST", "reload", { dry_run });
    at("reload-answer").replaceChildren(...outcome(answer));
    at("apply").disabled = !dry_run;
  }));
}

connectTabs(NAMES.map((name) => at(`tab-${name}`)), NAMES.map((name) => at(`panel-${name}`)), (index) => attempt(load[NAMES[index]]));

async function enter() {
  await attempt(async () => {
    await accounts();
    sessionStorage.setItem(TOKEN, at("token").value);
    at("inside").hidden = false;
  });
}
at("token").value = sessionStorage.getItem(TOKEN) ?? "";
at("enter").addEventListener("submit", (event) => { event.preventDefault(); enter(); });
at("leave").addEventListener("click", () => { sessionStorage.removeItem(TOKEN); at("token").value = ""; at("inside").hidden = true; at("state").textContent = "You left."; });
if (at("token").value) enter();
