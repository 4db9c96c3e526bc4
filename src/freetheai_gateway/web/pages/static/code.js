// A request of the playground as code that can be run elsewhere; the key comes from the environment.

/** As a command for a shell. */
export function asCurl(base, body) {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl -N ${base}/chat/completions \\\n  -H "Authorization: Bearer $FREETHEAI_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${quoted}'\n`;
}

/** As a program with OpenAI's library. */
export function asPython(base, body) {
  const { stream_options: _, ...fields } = body;
  const written = Object.entries(fields).map(([name, value]) => `    ${name}=${literal(value, "    ")},\n`).join("");
  return `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(\n    base_url=${JSON.stringify(base)},\n    api_key=os.environ["FREETHEAI_API_KEY"],\n)\n\nstream = client.chat.completions.create(\n${written})\nfor chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)\nprint()\n`;
}

/** Write a JSON value as Python; a JSON string is a Python string too, but for a lone surrogate, which no field gives. */
function literal(value, indent) {
  const deeper = `${indent}    `;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const isList = Array.isArray(value);
  const entries = isList ? value.map((each) => literal(each, deeper)) : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each, deeper)}`);
  const [open, close] = isList ? "[]" : "{}";
  return `${open}\n${entries.map((entry) => `${deeper}${entry},\n`).join("")}${indent}${close}`;
}
