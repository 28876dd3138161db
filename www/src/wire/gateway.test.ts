// Threads and models over a fake fetch; Link headers, odd bodies, errors.
import { describe, expect, it } from "vitest";
import { GatewayError } from "./failure";
import { Gateway, nextLink, threadOf } from "./gateway";

function gateway(answers: Record<string, () => Response>, seen: string[] = []): Gateway {
  return new Gateway(
    "a.b.c",
    () => undefined,
    async (url, init) => {
      const name = `${init?.method} ${String(url)}`;
      seen.push(name);
      return answers[name]?.() ?? new Response("{}", { status: 404 });
    },
  );
}

describe("nextLink", () => {
  it.each([
    ['</v1/threads?before=9>; rel="next"', "/v1/threads?before=9"],
    ["<http://elsewhere/v1/threads?before=9>; rel=next", "/v1/threads?before=9"],
    ['</a>; rel="prev", </b?x=1,2>; title="t"; rel="next"', "/b?x=1,2"],
    ['</a>; rel="prev"', undefined],
    ["nonsense", undefined],
    [null, undefined],
  ])("%j", (header, path) => expect(nextLink(header)).toBe(path));
});

describe("threadOf", () => {
  const thread = { id: "t", title: "T", created_at: 10, last_message_at: "1970-01-01T00:00:20Z", messages_count: 4 };

  it("reads both kinds of time", () => expect(threadOf(thread)).toEqual({ id: "t", title: "T", at: 20_000, messages: 4 }));

  it("does with the id alone", () => expect(threadOf({ id: "t", title: null })).toEqual({ id: "t", title: "", at: undefined, messages: 0 }));

  it.each([[null], ["t"], [{ title: "T" }]])("refuses %j", (odd) => expect(threadOf(odd)).toBeUndefined());
});

describe("Gateway", () => {
  it("pages threads", async () => {
    const links = new Headers({ link: '</v1/threads?limit=30&before=1>; rel="next"' });
    const page = await gateway({
      "GET /v1/threads?limit=30": () => Response.json([{ id: "a" }, 7], { headers: links }),
    }).threads();
    expect(page).toMatchObject({ items: [{ id: "a" }], next: "/v1/threads?limit=30&before=1" });
  });

  it("follows messages to their beginning and escapes the id", async () => {
    const seen: string[] = [];
    const first = "GET /v1/threads/a%2Fb%3F/messages";
    const all = await gateway(
      {
        [first]: () => Response.json([{ id: 2 }, { id: 3 }], { headers: { link: "</more>; rel=next" } }),
        "GET /more": () => Response.json([{ id: 1 }]),
      },
      seen,
    ).messages("a/b?");
    expect(all).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(seen).toEqual([first, "GET /more"]);
  });

  it("lists models", async () => {
    const body = { object: "list", data: [{ id: "m", owned_by: "o" }, { id: "n" }, {}] };
    expect(await gateway({ "GET /v1/models": () => Response.json(body) }).models()).toEqual([
      { id: "m", owner: "o" },
      { id: "n", owner: "" },
    ]);
  });

  it("throws what the gateway said", async () => {
    const body = { error: { message: "No such thread.", code: "not_found" } };
    const answers = { "DELETE /v1/threads/x": () => Response.json(body, { status: 404 }) };
    const thrown = await gateway(answers).remove("x").catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(GatewayError);
    expect((thrown as GatewayError).failure).toMatchObject({ status: 404, code: "not_found" });
  });
});
