// Filters that apply while one types. The server does the search, so that it is the same one as without JavaScript.

import { enhance } from "./site.js";

const form = document.getElementById("filters");
const results = document.getElementById("results");
const found = document.getElementById("found");
const filters = document.getElementById("more-filters");
const wide = window.matchMedia("(min-width: 32.01rem)");
filters.open = wide.matches || new URLSearchParams(location.search).size > 0;
wide.addEventListener("change", () => { if (wide.matches) filters.open = true; }); // there is nothing to open it with then
let asks = false;
let changed = false;

function address() {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) fields.set(name, value);
  return fields;
}

/** Show what is asked for now. One request at a time: what changes meanwhile is asked for next, and nothing is queued. */
async function refresh() {
  changed = true;
  if (asks) return;
  asks = true;
  try {
    while (changed) {
      changed = false;
      const fields = address();
      const answer = await fetch(`/models?${new URLSearchParams([...fields, ["part", "results"]])}`, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const text = await answer.text();
      if (changed) continue;
      results.innerHTML = text;
      enhance(results);
      found.textContent = results.querySelector(".count").firstChild.textContent;
      history.replaceState(null, "", fields.size ? `/models?${fields}` : "/models");
    }
  } catch {
    changed = false;
    found.textContent = results.querySelector(".count").textContent = "The list cannot be fetched right now. Press Enter to try again.";
  } finally {
    asks = false;
  }
}

form.addEventListener("input", refresh);
form.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
