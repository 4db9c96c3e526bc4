// Days as bars: what was answered and what was not, one above the other. The numbers are in each bar's title.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 58;

function piece(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Draw requests per day. */
export function dayChart(days) {
  const most = Math.max(1, ...days.map((day) => day.requests));
  const bars = days.flatMap((day, index) => {
    const failed = day.requests - day.successes;
    const good = (day.successes / most) * HEIGHT;
    const bad = (failed / most) * HEIGHT;
    const title = piece("title", {}, `${day.day}: ${day.requests} requests, ${failed} failed, ${day.input_tokens + day.output_tokens} tokens`);
    const at = { x: index * 10 + 1, width: 8 };
    return [piece("g", {}, title, piece("rect", { ...at, y: 60 - good, height: good }), piece("rect", { ...at, y: 60 - good - bad, height: bad, class: "failed" }))];
  });
  return piece("svg", { viewBox: `0 0 ${days.length * 10} 60`, preserveAspectRatio: "none", role: "img", "aria-label": `Requests on each of ${days.length} days, at most ${most}` }, ...bars);
}
