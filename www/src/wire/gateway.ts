// The gateway's other routes, as the page uses them: threads and models. Every call carries the
// token, reports the limits its answer named and throws a GatewayError. Same origin, relative URLs.
import { parseMoment } from "./duration";
import { failureOfException, failureOfResponse, GatewayError } from "./failure";
import { asArray, asNumber, asObject, asString, type Json } from "./json";
import { readLimits, type Limits } from "./limits";

export interface Thread {
  id: string;
  title: string;
  /** Epoch milliseconds of the last message, or of the creation. */
  at: number | undefined;
  messages: number;
}

export interface Model {
  id: string;
  owner: string;
}

export interface Page<Item> {
  items: Item[];
  /** URL of the next page. */
  next: string | undefined;
}

export class Gateway {
  constructor(
    private readonly token: string,
    private readonly onLimits: (limits: Limits) => void,
    private readonly send: typeof fetch = (...args) => fetch(...args),
  ) {}

  async threads(url = "/v1/threads?limit=30"): Promise<Page<Thread>> {
    const response = await this.call("GET", url);
    const body = await bodyOf(response);
    const items = asArray(body).map(threadOf).filter((thread) => thread !== undefined);
    return { items, next: nextLink(response.headers.get("link")) };
  }

  async messages(threadId: string): Promise<Json[]> {
    const all: Json[] = [];
    let url: string | undefined = `/v1/threads/${encodeURIComponent(threadId)}/messages`;
    // Bounded: a server that links to itself must not hang the page.
    for (let pages = 0; url !== undefined && pages < 50; pages += 1) {
      const response = await this.call("GET", url);
      // Each page is in order, and the next one is older.
      all.unshift(...asArray(await bodyOf(response)));
      url = nextLink(response.headers.get("link"));
    }
    return all;
  }

  async rename(threadId: string, title: string): Promise<void> {
    await this.call("PATCH", `/v1/threads/${encodeURIComponent(threadId)}`, { title });
  }

  async remove(threadId: string): Promise<void> {
    await this.call("DELETE", `/v1/threads/${encodeURIComponent(threadId)}`);
  }

  async models(): Promise<Model[]> {
    const body = asObject(await bodyOf(await this.call("GET", "/v1/models")));
    return asArray(body?.["data"]).flatMap((item) => {
      const id = asString(asObject(item)?.["id"]);
      return id === undefined ? [] : [{ id, owner: asString(asObject(item)?.["owned_by"]) ?? "" }];
    });
  }

  private async call(method: string, url: string, body?: Json): Promise<Response> {
    try {
      const response = await this.send(url, {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      this.onLimits(readLimits(response.headers, Date.now()));
      if (!response.ok) throw new GatewayError(await failureOfResponse(response, Date.now()));
      return response;
    } catch (error) {
      throw error instanceof GatewayError ? error : new GatewayError(failureOfException(error));
    }
  }
}

async function bodyOf(response: Response): Promise<Json | undefined> {
  return (await response.json().catch(() => undefined)) as Json | undefined;
}

export function threadOf(value: Json): Thread | undefined {
  const thread = asObject(value);
  const id = asString(thread?.["id"]);
  if (!thread || id === undefined) return undefined;
  return {
    id,
    title: asString(thread["title"]) ?? "",
    at: parseMoment(thread["last_message_at"]) ?? parseMoment(thread["created_at"]),
    messages: asNumber(thread["messages_count"]) ?? 0,
  };
}

/** The `rel="next"` of a Link header, as a path: whatever host it names, the page stays on its own. */
export function nextLink(header: string | null): string | undefined {
  for (const part of (header ?? "").split(/,(?=\s*<)/)) {
    const match = /^\s*<([^>]*)>(.*)$/.exec(part);
    if (!match || !/;\s*rel\s*=\s*"?next"?\s*(;|$)/i.test(match[2] ?? "")) continue;
    const target = match[1] ?? "";
    if (!URL.canParse(target, "http://page/")) return undefined;
    const url = new URL(target, "http://page/");
    return url.pathname + url.search;
  }
  return undefined;
}
