// The audit log of a project: what is in it after each kind of change, who reads it, and that nothing removes an entry.
// Always holds: the shared gateway, a project of its own. Absent: keeping for 400 days (native, src/project/audit.rs).
import { beforeAll, describe, expect, it } from "vitest";
import { expectError } from "../support/contract.ts";
import { type Answer, call, type Json, Project } from "../support/project.ts";

const SECRETS = ["sk-canary-audit-1", "canary-header-audit", "canary-prompt-audit", "canary-password"];
const AGENT = `curl/${"9".repeat(300)}`;
let project: Project;
const ids = new Map<string, string>();
let rotated: Json;

beforeAll(async () => {
  project = await Project.create();
  const steps: [string, string, string, unknown?][] = [
    ["project.update", "PATCH", "", { name: "renamed" }],
    ["settings.update", "PUT", "/settings", { system_prompt: SECRETS[2], limits: { user_rpm: 9, user_usd_per_day: null } }],
    ["provider.put", "PUT", "/providers/main", { kind: "openai-compatible", api_key: SECRETS[0], base_url: "http://127.0.0.1:9/v1", headers: { "x-secret": SECRETS[1] } }],
    ["provider.delete", "DELETE", "/providers/main"],
    ["tier.put", "PUT", "/tiers/gold", { limits: { user_rpm: 7 } }],
    ["tier.delete", "DELETE", "/tiers/gold"],
    ["alerts.put", "PUT", "/alerts", { url: "http://127.0.0.1:9/hook" }],
    ["alerts.delete", "DELETE", "/alerts"],
    ["user.limits", "PUT", "/users/ann/limits", { limits: { user_rpm: 3 } }],
    ["user.erase", "DELETE", "/users/ann"],
  ];
  for (const [action, method, path, body] of steps) note(action, await project.admin(path, { method, body, headers: { "user-agent": AGENT } }));
  const made = await project.admin("/keys", { body: { name: "second", capabilities: ["mint", "chat:server"] } });
  note("key.create", made);
  rotated = await project.admin(`/keys/${made.json.id}/rotate`, { body: { overlap_seconds: 60 } });
  note("key.rotate", rotated);
  note("key.delete", await project.admin(`/keys/${made.json.id}`, { method: "DELETE" }));
});

function note(action: string, answer: Answer): void {
  if (answer.status > 299) throw new Error(`${action} answered ${answer.status}: ${answer.text}`);
  ids.set(action, answer.headers.get("x-request-id")!);
}

const log = async (query = ""): Promise<Json> => {
  const answer = await project.admin(`/audit${query}`);
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
};

describe("the audit log", () => {
  it("has an entry for each change, with its request, newest first", async () => {
    const { object, data, has_more } = await log();
    expect([object, has_more]).toEqual(["list", false]);
    for (const [action, id] of ids) {
      const mine = data.filter((entry: Json) => entry.request_id === id);
      expect(mine.map((entry: Json) => [entry.action, entry.by]), action).toEqual([[action, "admin"]]);
      expect(Math.abs(Date.now() / 1000 - mine[0].at)).toBeLessThan(120);
    }
    const numbers = data.map((entry: Json) => entry.seq);
    expect(numbers).toEqual([...numbers].sort((a, b) => b - a));
    expect(data.at(-1).action).toBe("project.create");
  });

  it("says what was changed, and never to what", async () => {
    const { data } = await log();
    const of = (action: string) => data.find((entry: Json) => entry.request_id === ids.get(action));
    expect(of("settings.update").details.changed.sort()).toEqual(["limits.user_rpm", "limits.user_usd_per_day", "system_prompt"]);
    expect(of("provider.put")).toMatchObject({ target: "main", details: { kind: "openai-compatible" } });
    expect(of("key.rotate").details.new_id).toBe(rotated.json.id);
    expect(of("user.erase").target).toBe("ann");
    expect(of("tier.put").user_agent).toHaveLength(200);
    const text = JSON.stringify(data);
    for (const secret of [...SECRETS, project.key, rotated.json.key, rotated.json.key.slice(15)]) expect(text.includes(secret), secret).toBe(false);
  });

  it("has no entry for what was refused or only read", async () => {
    const before = (await log()).data.length;
    expectError(await project.admin("/settings", { method: "PUT", body: { nope: 1 } }), 400, "validation_error");
    expectError(await project.admin("/tiers/nope", { method: "DELETE" }), 404, "not_found");
    await project.admin("/settings");
    await project.admin("/keys");
    expect((await log()).data.length).toBe(before);
  });

  it("is read page by page, by action, and as lines", async () => {
    const all = (await log()).data;
    const pages: Json[] = [];
    for (let query: string | undefined = "?limit=4"; query; ) {
      const answer = await project.admin(`/audit${query}`);
      pages.push(...answer.json.data);
      const next = /<[^?]*(\?[^>]*)>/.exec(answer.headers.get("link") ?? "")?.[1];
      expect(Boolean(next)).toBe(answer.json.has_more);
      query = next;
    }
    expect(pages).toEqual(all);
    expect((await log("?action=tier.put")).data.map((entry: Json) => entry.target)).toEqual(["gold"]);
    const lines = await project.admin("/audit?format=ndjson");
    expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
    expect(lines.text.trimEnd().split("\n").map((line) => JSON.parse(line) as Json)).toEqual(all);
  });

  it.each(["limit=0", "limit=1001", "before=x", "action=A", "format=xml"])("refuses %s", async (query) => {
    expectError(await project.admin(`/audit?${query}`), 400, "validation_error", query.split("=")[0]);
  });

  it.each(["POST", "PUT", "PATCH", "DELETE"])("takes no %s", async (method) => {
    expectError(await project.admin("/audit", { method, body: method === "DELETE" ? undefined : {} }), 405, "method_not_allowed");
  });

  it("opens to nobody but the owner, and is gone with the project", async () => {
    expectError(await call(`${project.base}/v1/projects/${project.id}/audit`, { token: await project.token() }), 401, "invalid_token");
    const other = await Project.create();
    expect((await other.admin("", { method: "DELETE" })).status).toBe(204);
    expectError(await other.admin("/audit"), 404, "not_found");
  });
});
