// A fake provider of embeddings and moderations: vectors that are a function of the text, in the form asked for, or as told.
// Always holds: numbers that 32 bits cannot hold exactly are among them, so that a second rounding would show.
// Absent: HTTP (upstream.ts).
import { json, type Script } from "./script.ts";
import type { Exchange } from "./upstream.ts";

/** The vector of a text: some 32-bit floats, small, large and negative. */
export function vectorOf(input: unknown, length = 5): Float32Array {
  const text = JSON.stringify(input);
  const seeds = Float32Array.from({ length }, (_, n) => Math.sin(text.length * 31 + n * 17.3 + (text.codePointAt(1) ?? 0)) * 10 ** ((n % 5) - 6));
  return seeds;
}

export function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/** The numbers as OpenAI writes them: no more digits than the float needs, sometimes many more. */
const written = (vector: Float32Array): string => `[${[...vector].map((number, n) => (n % 2 ? String(number) : number.toPrecision(9))).join(", ")}]`;

export function inputsOf(body: any): unknown[] {
  const many = Array.isArray(body.input) && typeof body.input[0] !== "number";
  return many ? body.input : [body.input];
}

/** What a host of OpenAI's dialect answers; `form` overrides what was asked for. */
export function vectors({ path, body }: Exchange, form?: "float" | "base64"): Script {
  if (path.endsWith("/moderations")) return json({ id: "modr-1", model: body.model, results: [{ flagged: JSON.stringify(body.input).includes("bad"), categories: {}, category_scores: {} }] });
  const status = /^fail (\d+)/.exec(String(body.input))?.[1];
  if (status) return json({ error: { message: `told to fail with ${status}`, type: "error", param: null, code: "told" } }, Number(status));
  const inputs = inputsOf(body);
  const wanted = form ?? body.encoding_format ?? "float";
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, body.dimensions ?? 5);
    return `{"object":"embedding","index":${index},"embedding":${wanted === "base64" ? JSON.stringify(base64Of(vector)) : written(vector)}}`;
  });
  return json(`{"object":"list","data":[${data.join(",")}],"model":${JSON.stringify(body.model)},"usage":{"prompt_tokens":${inputs.length * 7},"total_tokens":${inputs.length * 7}}}`);
}

/** What Google answers to `batchEmbedContents`. */
export function googleVectors({ body }: Exchange): Script {
  const embeddings = body.requests.map(({ content, outputDimensionality }: any) => `{"values": ${written(vectorOf(content.parts[0].text, outputDimensionality ?? 5))}}`);
  return json(`{"embeddings": [${embeddings.join(",\n")}]}`);
}
