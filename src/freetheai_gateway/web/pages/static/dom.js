// What every page needs to show things: errors in the gateway's words, elements, numbers.

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

/** Show an instant of the API; it is never broken into lines. */
export const instant = (at) => make("time", { datetime: at }, at.replace("T", " ").replace("Z", ""));

const NUMBERS = new Intl.NumberFormat("en");
export const number = (value) => (value === null || value === undefined ? "–" : NUMBERS.format(value));
