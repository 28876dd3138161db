// A provider that repeats everything it was told, credentials too: in errors of every status, in answers and streams that are none, in
// headers. And Google's token server, of the same temper.
// Always holds: which mood it is in is said by the request's own text: `fail 429`, `garble`, `break off`; else it is a good one of OpenAI's
// dialect. Absent: what becomes of it; tests look.
import { event, EVENT_STREAM, json, reply, type Script, stream, words } from "./script.ts";
import type { Exchange } from "./upstream.ts";
import { vectors } from "./vectors.ts";

/** All that a request said in its headers, the credential once more without what stands before it. */
export function said({ headers }: Exchange): string {
  return `${Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("; ")}; key=${headers.authorization?.replace("Bearer ", "")}`;
}

export function temper(exchange: Exchange, content: string): Script {
  const [asked, told] = [exchange.raw.toString(), said(exchange)];
  const echoes = { "x-echo": told.replace(/[^ -~]/g, ""), "set-cookie": `k=${exchange.headers["x-api-key"] ?? "none"}` };
  const error = { error: { message: told, type: told, param: told, code: told } };
  const status = /fail (\d+)/.exec(asked)?.[1];
  if (status) return json(error, Number(status), echoes);
  if (asked.includes("garble")) return exchange.body?.stream ? { headers: { ...EVENT_STREAM, ...echoes }, steps: [{ send: `data: {"${told}\n\n` }] } : json(`{"broken": "${told}`, 200, echoes);
  if (asked.includes("page")) return { status: 500, headers: { ...echoes, "content-type": "text/html" }, steps: [{ send: `<h1>${told}</h1>` }] };
  if (asked.includes("break off")) return stream([...words("well "), event(error)]);
  if (/embed|moderat/.test(exchange.path)) return vectors(exchange);
  const good = reply(exchange.body, content);
  return { ...good, headers: { ...good.headers, ...echoes } };
}

/** `/token` gives this access token; `/refusing` refuses in the words that it was asked with. `undefined` for what is asked of models. */
export function tokenServer({ path, raw }: Exchange, token: string): Script | undefined {
  const assertion = new URLSearchParams(raw.toString()).get("assertion");
  if (path.endsWith("/token")) return json({ access_token: token, expires_in: 3_600, token_type: "Bearer" });
  if (path.endsWith("/refusing")) return json({ error: assertion, error_description: assertion, access_token: token }, 400);
  return undefined;
}
