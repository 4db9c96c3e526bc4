// Tables of rows from the API. Whatever comes from there is text, never markup.

import { make } from "./dom.js";

/** Make a table; `columns` gives by heading what stands in a row's cell, `numbers` the headings that hold numbers. */
export function table(label, columns, rows, { numbers = [], empty = "Nothing here." } = {}) {
  if (!rows.length) return make("p", { class: "empty" }, empty);
  const kind = (name) => (numbers.includes(name) ? "num" : null);
  const head = make("tr", {}, ...Object.keys(columns).map((name) => make("th", { scope: "col", class: kind(name) }, name)));
  const body = rows.map((row) => make("tr", {}, ...Object.entries(columns).map(([name, cell]) => make("td", { class: kind(name) }, cell(row)))));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}
