// Filters that apply while one types. The server does the search, so that it is the same one as without JavaScript.

import { enhance } from "./site.js";

const form = document.getElementById("filters");
const results = document.getElementById("results");
let newest = 0;
let timer;

function address() {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) fields.set(name, value);
  return fields;
}

async function refresh() {
  const fields = address();
  const mine = ++newest;
  const answer = await fetch(`/models?${new URLSearchParams([...fields, ["part", "results"]])}`, { headers: { accept: "text/html" } });
  if (!answer.ok || mine !== newest) return;
  results.innerHTML = await answer.text();
  enhance(results);
  history.replaceState(null, "", fields.size ? `/models?${fields}` : "/models");
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(refresh, 40);
});
form.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
