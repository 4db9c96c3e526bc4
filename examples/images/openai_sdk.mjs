// Generate, edit and stream with the official package: npm install openai
import { createReadStream, writeFileSync } from "node:fs";
import OpenAI from "openai";

const model = "local/sketch";
const client = new OpenAI({ apiKey: process.env.FREETHEAI_API_KEY, baseURL: "http://127.0.0.1:8000/v1" });
const save = (name, base64) => writeFileSync(name, Buffer.from(base64, "base64"));

const made = await client.images.generate({ model, prompt: "A lighthouse at dawn", size: "256x256" });
save("generated.png", made.data[0].b64_json);

const image = createReadStream("generated.png");
const edited = await client.images.edit({ model, prompt: "Put a frame around it", image });
save("edited.png", edited.data[0].b64_json);

const stream = await client.images.generate({ model, prompt: "A lighthouse at dusk", stream: true, partial_images: 2 });
for await (const event of stream) {
  if (event.type === "image_generation.partial_image") save(`partial-${event.partial_image_index}.png`, event.b64_json);
  if (event.type === "image_generation.completed") save("streamed.png", event.b64_json);
}
