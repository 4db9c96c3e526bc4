// One account as an operator sees it: its state, keys and limits, and what can be changed.

import { make, number } from "./dom.js";
import { table } from "./table.js";

const shownOnce = (made) => make("p", { class: "note good" }, "The new key, shown only now: ", make("code", {}, made.key));

/** Give what shows an account; `changed` is called after every change. */
export function accountDetail({ api, askFor, button, state, at, REASON, changed }) {
  return async function detail(id, made = null) {
    const [account, limits] = await Promise.all([api("GET", `accounts/${id}`), api("GET", `limits/${id}`)]);
    const change = (title, fields, send) => async () => {
      const given = await askFor(title, [...fields, REASON]);
      if (!given) return;
      const { reason, ...rest } = given;
      const answer = await send({ ...rest, ...(reason && { reason }) });
      await detail(id, typeof answer?.key === "string" ? answer : null);
      await changed();
    };
    const tierField = { name: "tier", label: "Level; empty = by roles and default", value: account.tier_source === "override" ? account.tier : "", type: "number" };
    const untilField = { name: "until", label: "Until, such as 3d or 2026-12-31T18:00:00Z; empty = until restored" };
    const actions = [
      button("Tier", change(`Tier of ${account.name}`, [tierField], ({ tier, ...rest }) => api("PATCH", `accounts/${id}`, { ...rest, tier: tier === "" ? null : Number(tier) }))),
      button(account.unlimited ? "Give limits" : "Take limits away", change(account.unlimited ? "Give the account limits again" : "Take all limits away", [], (rest) => api("PATCH", `accounts/${id}`, { ...rest, unlimited: !account.unlimited }))),
      account.state === "paused"
        ? button("Restore", change(`Restore ${account.name}`, [], (rest) => api("DELETE", `accounts/${id}/suspension`, rest)))
        : button("Suspend", change(`Suspend ${account.name}`, [untilField], ({ until, ...rest }) => api("PUT", `accounts/${id}/suspension`, { ...rest, ...(until && { until }) })), "danger"),
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
      make("p", {}, make("code", {}, account.id), account.pause_reason ? ` suspended: ${account.pause_reason}` : "", account.paused_until ? ` until ${account.paused_until}` : ""),
      ...(made ? [shownOnce(made)] : []), make("div", { class: "row" }, ...actions), make("h3", {}, "Keys"), keys, make("h3", {}, "Limits"), standing,
    );
  };
}
