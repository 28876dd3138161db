// The thread routes: list, read, rename, remove; pages; and that a thread is its user's alone.
import { describe, expect, it } from "vitest";
import { expectError, expectIds } from "../support/contract.ts";
import { call, type Json, Project, type User } from "../support/project.ts";
import { completion } from "../support/script.ts";
import { Conversation } from "../support/thread.ts";
import { Upstream } from "../support/upstream.ts";

/** A user with `count` threads `t-0` … of one turn each, the highest number the newest. */
async function userWithThreads(count: number): Promise<User> {
  const upstream = await Upstream.start(completion("hi"));
  const user = await (await Project.create({ providers: { main: upstream.url } })).user();
  for (let n = 0; n < count; n++) await user.chat(`question ${n}`, { headers: { "x-thread-id": `t-${n}` } });
  return user;
}

const next = (link: string | null): string | undefined => link?.match(/<([^>]+)>;\s*rel="?next"?/)?.[1];

describe("GET /v1/threads", () => {
  it("is a bare array of the contract's fields, newest first", async () => {
    const user = await userWithThreads(3);
    const answer = await user.get("/v1/threads");
    expect(answer.status).toBe(200);
    expectIds(answer.headers);
    expect(answer.json.map((one: Json) => one.id)).toEqual(["t-2", "t-1", "t-0"]);
    for (const one of answer.json) {
      expect(Object.keys(one).sort()).toEqual(["created_at", "id", "last_message_at", "messages_count", "title"]);
      expect(one.messages_count).toBe(2);
      expect(one.title).toMatch(/^question \d$/);
    }
  });

  it("a thread that is spoken in again is the newest", async () => {
    const user = await userWithThreads(3);
    await user.chat("again", { headers: { "x-thread-id": "t-0" } });
    expect((await user.get("/v1/threads")).json.map((one: Json) => one.id)).toEqual(["t-0", "t-2", "t-1"]);
  });

  it("of a new user is empty", async () => {
    expect((await (await userWithThreads(0)).get("/v1/threads")).json).toEqual([]);
  });

  it("comes in pages: every thread once, with a Link to the next", async () => {
    const user = await userWithThreads(5);
    const seen: string[] = [];
    let path: string | undefined = "/v1/threads?limit=2";
    for (let page = 0; path && page < 5; page++) {
      const answer = await user.get(path);
      expect(answer.status).toBe(200);
      expect(answer.json.length).toBe(page < 2 ? 2 : 1);
      seen.push(...answer.json.map((one: Json) => one.id));
      const link = next(answer.headers.get("link"));
      path = link && new URL(link, user.base).pathname + new URL(link, user.base).search;
    }
    expect(seen).toEqual(["t-4", "t-3", "t-2", "t-1", "t-0"]);
    expect(path).toBeUndefined();
    expect((await user.get("/v1/threads?limit=2&before=t-3")).json.map((one: Json) => one.id)).toEqual(["t-2", "t-1"]);
  });

  it.each(["limit=0", "limit=-1", "limit=many", "limit=1.5", "limit=100000"])("refuses ?%s, naming it", async (query) => {
    const user = await userWithThreads(0);
    expectError(await user.get(`/v1/threads?${query}`), 400, "validation_error", "limit");
  });
});

describe("one thread", () => {
  it("is read, renamed and removed", async () => {
    const talk = await Conversation.start();
    await talk.send(["user: hello there"]);
    const read = await talk.get();
    expect(read.status).toBe(200);
    expect(read.json).toMatchObject({ id: talk.thread, title: "hello there", messages_count: 2 });
    const renamed = await talk.user.get(`/v1/threads/${talk.thread}`, { method: "PATCH", body: { title: "Ünïcode 🌊" } });
    expect(renamed.status, renamed.text).toBe(200);
    expect(renamed.json).toMatchObject({ id: talk.thread, title: "Ünïcode 🌊" });
    await talk.send(["user: again"]);
    expect((await talk.get()).json).toMatchObject({ title: "Ünïcode 🌊", messages_count: 4 });

    const removed = await talk.user.get(`/v1/threads/${talk.thread}`, { method: "DELETE" });
    expect({ status: removed.status, text: removed.text }).toEqual({ status: 204, text: "" });
    for (const path of ["", "/messages"]) expectError(await talk.get(path), 404, "not_found");
    expectError(await talk.user.get(`/v1/threads/${talk.thread}`, { method: "DELETE" }), 404, "not_found");
    expect((await talk.user.get("/v1/threads")).json).toEqual([]);
    await talk.send(["user: fresh"]);
    expect(talk.seen()).toEqual(["user: fresh"]);
  });

  it("has its messages as a bare array of the contract's fields", async () => {
    const talk = await Conversation.start();
    await talk.send(["user: a"]);
    const { json } = await talk.get("/messages");
    expect(json.map((one: Json) => [one.role, one.content])).toEqual([["user", "a"], ["assistant", "r1"]]);
    expect(new Set(json.map((one: Json) => one.id)).size).toBe(2);
    for (const one of json) expect(one.created_at).toBeTruthy();
  });

  it("has its messages in pages too", async () => {
    const talk = await Conversation.start();
    for (const n of [1, 2, 3]) await talk.send([`user: m${n}`]);
    const last = (await talk.get("/messages?limit=2")).json;
    expect(last.map((one: Json) => one.content)).toEqual(["m3", "r3"]);
    const before = (await talk.get(`/messages?limit=2&before=${encodeURIComponent(last[0].id)}`)).json;
    expect(before.map((one: Json) => one.content)).toEqual(["m2", "r2"]);
  });

  it.each([[{ title: "" }], [{ title: 5 }], [{}], [{ title: "t".repeat(5_000) }]])("refuses the title in %j, naming it", async (body) => {
    const talk = await Conversation.start();
    await talk.send(["user: a"]);
    expectError(await talk.user.get(`/v1/threads/${talk.thread}`, { method: "PATCH", body }), 400, "validation_error", "title");
  });

  it("may have any visible name, in a header and in a path", async () => {
    const name = "weird/ id?#%".replaceAll(" ", "+") + "[]{}|\\^`~!$&'()*,;=:@";
    const talk = await Conversation.start({}, name);
    await talk.send(["user: a"]);
    const read = await talk.get();
    expect(read.status, read.text).toBe(200);
    expect(read.json.id).toBe(name);
    expect(await talk.stored()).toEqual(["user: a", "assistant: r1"]);
  });
});

describe("a thread is its user's alone", () => {
  it("another user of the project and a user of the same name elsewhere get 404 and their own threads", async () => {
    const talk = await Conversation.start({}, "shared-name");
    await talk.send(["user: mine"]);
    const elsewhere = await Project.create({ providers: { main: talk.upstream.url } });
    for (const stranger of [await talk.project.user("someone-else"), await elsewhere.user("user-1")]) {
      for (const [method, path, body] of [["GET", "", undefined], ["GET", "/messages", undefined], ["PATCH", "", { title: "stolen" }], ["DELETE", "", undefined]] as const) {
        expectError(await stranger.get(`/v1/threads/shared-name${path}`, { method, body }), 404, "not_found");
      }
      expect((await stranger.get("/v1/threads")).json).toEqual([]);
      await stranger.chat("theirs", { headers: { "x-thread-id": "shared-name" } });
      expect(talk.upstream.last.body.messages.map((one: Json) => one.content)).toEqual(["theirs"]);
    }
    expect(await talk.stored()).toEqual(["user: mine", "assistant: r1"]);
  });

  it("user ids that look alike are not the same", async () => {
    const talk = await Conversation.start({}, "t");
    await talk.send(["user: mine"]);
    for (const id of ["User-1", "user-1 ", "user-1/", "user-1:x", "ｕser-1"]) {
      expect((await (await talk.project.user(id)).get("/v1/threads")).json, id).toEqual([]);
    }
  });

  it("nothing is shown without a token", async () => {
    expectError(await call(`${(await Conversation.start()).project.base}/v1/threads/x/messages`), 401, "invalid_token");
  });

  it("an erased user's threads are gone", async () => {
    const talk = await Conversation.start();
    await talk.send(["user: forget me"]);
    const erased = await talk.project.admin("/users/user-1", { method: "DELETE" });
    expect(erased.status, erased.text).toBe(204);
    expectError(await talk.get(), 401, "invalid_token");
    // Somebody with the same name begins anew.
    const user = await talk.project.user("user-1");
    expect((await user.get("/v1/threads")).json).toEqual([]);
  });
});
