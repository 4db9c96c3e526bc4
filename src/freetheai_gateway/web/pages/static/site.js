// What every page has: copy buttons, samples in tabs, choices that apply at once. Without it everything is still there.

document.documentElement.classList.add("js");

/** Put a copy button into a place; it says that it has copied, to eyes and to screen readers. */
function addCopyButton(place, text, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy quiet";
  button.textContent = "Copy";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  place.append(button);
}

/** Add the buttons below an element; called again for parts that are fetched later. */
export function enhance(root) {
  for (const figure of root.querySelectorAll("figure.code")) {
    const code = figure.querySelector("pre");
    addCopyButton(figure.querySelector("figcaption"), () => `${code.textContent.trim()}\n`, "Copy this sample");
  }
  for (const element of root.querySelectorAll("[data-copy]")) {
    const place = document.createElement("span");
    element.after(place);
    addCopyButton(place, () => element.textContent.trim(), `Copy ${element.textContent.trim()}`);
  }
}

/** Make tabs of the samples that stand beside each other; the language chosen last is kept for the next page. */
function makeTabs(group, number) {
  const samples = [...group.querySelectorAll(":scope > .sample")];
  if (samples.length < 2) return;
  const list = document.createElement("div");
  list.className = "tablist";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Ways to ask");
  const tabs = samples.map((sample, index) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${number}-${index}`;
    tab.textContent = sample.querySelector("figcaption span").textContent;
    tab.setAttribute("role", "tab");
    sample.id = `tabpanel-${number}-${index}`;
    sample.setAttribute("role", "tabpanel");
    sample.setAttribute("aria-labelledby", tab.id);
    tab.setAttribute("aria-controls", sample.id);
    list.append(tab);
    return tab;
  });
  group.prepend(list);
  group.classList.add("made");
  connectTabs(tabs, samples, (index) => localStorage.setItem("language", tabs[index].textContent));
  const kept = tabs.findIndex((tab) => tab.textContent === localStorage.getItem("language"));
  show(tabs, samples, Math.max(kept, 0));
}

function show(tabs, panels, index) {
  tabs.forEach((tab, at) => {
    tab.setAttribute("aria-selected", String(at === index));
    tab.tabIndex = at === index ? 0 : -1;
    panels[at].hidden = at !== index;
  });
}

/** Wire tabs as the ARIA authoring practices describe: arrows move, and moving shows. */
export function connectTabs(tabs, panels, onChange = () => {}) {
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => { show(tabs, panels, index); onChange(index); });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + tabs.length) % tabs.length;
      show(tabs, panels, next);
      tabs[next].focus();
      onChange(next);
    });
  });
}

enhance(document);
document.querySelectorAll(".tabs").forEach(makeTabs);
for (const choice of document.querySelectorAll("[data-submit]")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}
for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => { if (!window.confirm(form.dataset.confirm)) event.preventDefault(); });
}
