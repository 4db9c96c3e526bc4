// The reader's own key: in this browser only, for this session or until it is forgotten.

const KEPT = "freetheai-key";

/** Connect the field, the box and the button; returns what gives the key. */
export function connectKey(field, remember, forget, onForget = () => {}) {
  field.value = localStorage.getItem(KEPT) ?? sessionStorage.getItem(KEPT) ?? "";
  remember.checked = localStorage.getItem(KEPT) !== null;
  const keep = () => {
    localStorage.removeItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (field.value.trim()) (remember.checked ? localStorage : sessionStorage).setItem(KEPT, field.value.trim());
  };
  field.addEventListener("change", keep);
  remember.addEventListener("change", keep);
  forget.addEventListener("click", () => {
    field.value = "";
    remember.checked = false;
    keep();
    onForget();
  });
  return { get: () => field.value.trim(), set: (value) => { field.value = value; keep(); } };
}

/** Read the gateway's error out of an answer, in its own words. */
export async function failure(answer) {
  try {
    const { error } = await answer.json();
    return `${error.message} (${answer.status}, ${error.request_id})`;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** Make an element with text or children; text is never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

const NUMBERS = new Intl.NumberFormat("en");
export const number = (value) => (value === null || value === undefined ? "–" : NUMBERS.format(value));
