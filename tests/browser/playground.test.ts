// The playground in a real browser, by click and by keyboard, at a desk's and at a phone's width; screenshots go to tests/output.
// Always holds: a user's token from the link's fragment is all it is given; the token leaves the address bar; nothing complains.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { complaints, launch, noChromium } from "../support/chromium.ts";
import { model } from "../support/model.ts";
import { Project } from "../support/project.ts";
import { eventually, Upstream } from "../support/upstream.ts";

const OUTPUT = fileURLToPath(new URL("../output", import.meta.url));

describe.skipIf(noChromium() !== undefined)("the playground", () => {
  let browser: Browser;
  let upstream: Upstream;
  beforeAll(async () => {
    mkdirSync(OUTPUT, { recursive: true });
    upstream = await Upstream.start(model);
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());

  interface Visit {
    project: Project;
    page: Page;
    context: BrowserContext;
    heard: string[];
    at: (testId: string) => Locator;
    shot: (name: string) => Promise<void>;
  }

  async function visit(settings: object = {}, more: { fragment?: boolean; width?: number; height?: number; dark?: boolean } = {}): Promise<Visit> {
    const project = await Project.create({ settings, providers: { main: { kind: "openai-compatible", api_key: "sk-00000000", base_url: upstream.url, models: ["test-model", "other-model"] } } });
    const context = await browser.newContext({ viewport: { width: more.width ?? 1280, height: more.height ?? 800 }, colorScheme: more.dark ? "dark" : "light", reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const heard = complaints(page);
    const token = await project.token("player");
    await page.goto(`${inject("gateway").url}/${more.fragment === false ? "" : `#token=${token}`}`);
    const shot = async (name: string) => void (await page.screenshot({ path: join(OUTPUT, `playground-${name}.png`) }));
    return { project, page, context, heard, at: (testId) => page.getByTestId(testId), shot };
  }

  const replies = ({ page }: Visit) => page.locator('[data-testid="message"][data-role="assistant"]');
  const finished = async (one: Visit, text: string | RegExp) => {
    const last = replies(one).last();
    await last.getByText(text).waitFor();
    await last.and(one.page.locator('[aria-busy="false"]')).waitFor();
  };

  it("is driven by click: send, read, the meters, the panel, a new thread, back to the old one", async () => {
    const one = await visit({ limits: { user_rpm: 20 } });
    const { page, at, shot, heard } = one;
    await at("composer").waitFor();
    expect(page.url(), "the token has left the address bar").not.toContain("token=");
    await shot("empty");

    await at("composer").fill("Hello from **a test**");
    await at("send").click();
    await finished(one, "You said: Hello from");
    expect(await page.locator('[data-testid="message"][data-role="user"]').innerText()).toContain("Hello from **a test**");
    expect(await replies(one).last().locator("strong").innerText(), "Markdown is rendered").toBe("a test");
    expect(await at("meter-requests").getAttribute("aria-valuenow")).toBe("19");
    expect(await at("meter-tokens").innerText()).toMatch(/\d/);
    await shot("reply");

    await at("panel-toggle").click();
    const panel = at("panel");
    await panel.waitFor();
    for (const [tab, holds] of [["curl", "curl "], ["python", "openai"], ["javascript", "openai"]] as const) {
      await at(`tab-${tab}`).click();
      await expect.poll(() => at("panel-text").innerText()).toMatch(new RegExp(holds, "i"));
    }
    expect(await panel.innerText(), "the token is never shown").not.toMatch(/eyJ[\w-]{20,}/);
    await shot("panel");

    await at("thread-item").first().waitFor();
    await at("new-thread").click();
    await expect.poll(() => at("message").count()).toBe(0);
    await at("composer").fill("A second thread");
    await at("send").click();
    await finished(one, "You said: A second thread");
    await expect.poll(() => at("thread-item").count()).toBe(2);
    await at("thread-item").filter({ hasText: "Hello from" }).click();
    await finished(one, "You said: Hello from");
    await shot("threads");
    expect(heard).toEqual([]);
    await one.context.close();
  });

  it("is driven by keyboard alone: write, send, stop with Escape, new thread, model", async () => {
    const one = await visit({}, { dark: true });
    const { page, at, shot, heard } = one;
    await at("composer").waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-testid"))).toBe("composer");
    await page.keyboard.type("first line");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("second line");
    await page.keyboard.press("Enter");
    await finished(one, /You said: first line\s+second line/);

    await page.keyboard.type("go on for ever");
    await page.keyboard.press("Enter");
    await at("stop").waitFor();
    await replies(one).last().getByText("on on on").waitFor();
    await shot("streaming-dark");
    const exchange = upstream.last;
    await page.keyboard.press("Escape");
    await at("send").waitFor();
    await eventually("the upstream is let go", () => exchange.hungUpAt, 3_000);
    expect(await replies(one).last().getAttribute("data-progress")).toBe("cut");

    await page.keyboard.press("Control+k");
    await expect.poll(() => at("message").count()).toBe(0);
    await at("model-picker").focus();
    await page.keyboard.type("other");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await at("composer").focus();
    await page.keyboard.type("which model?");
    await page.keyboard.press("Enter");
    await finished(one, "You said: which model?");
    expect(upstream.last.body.model).toBe("other-model");

    // From the model picker, Tab alone reaches everything that can be pressed.
    const reached = new Set<string>();
    for (let n = 0; n < 60; n++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement?.getAttribute("data-testid") ?? ""));
    }
    expect([...reached]).toEqual(expect.arrayContaining(["composer", "new-thread", "thread-item", "model-picker", "panel-toggle"]));
    expect(heard).toEqual([]);
    await one.context.close();
  });

  it("stops by click, keeps what came, and goes on in the same thread", async () => {
    const one = await visit();
    await one.at("composer").fill("go on for ever");
    await one.at("send").click();
    await replies(one).last().getByText("on on on").waitFor();
    await one.at("stop").click();
    await one.at("send").waitFor();
    // The gateway sees a moment after the click that nobody listens, and stores it then.
    const user = await one.project.user("player");
    await eventually("the thread has what came", async () => (await user.get("/v1/threads")).json[0]?.messages_count === 2);
    await one.at("composer").fill("and now?");
    await one.at("send").click();
    await finished(one, "You said: and now?");
    const roles = upstream.last.body.messages.map((message: { role: string }) => message.role);
    expect(roles).toEqual(["user", "assistant", "user"]);
    expect(one.heard).toEqual([]);
    await one.context.close();
  });

  it("keeps user and threads over a reload", async () => {
    const one = await visit();
    await one.at("composer").fill("remember");
    await one.at("send").click();
    await finished(one, "You said: remember");
    await one.page.reload();
    await one.at("thread-item").filter({ hasText: "remember" }).click();
    await finished(one, "You said: remember");
    await one.context.close();
  });

  it("shows a refusal in words, with the time to wait", async () => {
    const one = await visit({ limits: { user_rpm: 1 } });
    for (const words of ["first", "second"]) {
      await one.at("composer").fill(words);
      await one.at("send").click();
      if (words === "first") await finished(one, "You said: first");
    }
    await one.at("error").waitFor();
    expect(await one.at("error").getAttribute("data-code")).toBe("rate_limited");
    expect(await one.at("error").innerText()).toMatch(/\d+ ?s|second|minute/i);
    await one.shot("refused");
    await one.context.close();
  });

  it("asks for a token when it has none, and refuses an API key with the reason", async () => {
    const one = await visit({}, { fragment: false });
    await one.at("token-field").fill(`behest_sk_live_${"0".repeat(32)}`);
    await one.page.keyboard.press("Enter");
    await one.at("error").getByText(/API key/).waitFor();
    expect(await one.at("token-field").inputValue(), "the key is gone from the field").toBe("");
    await one.shot("sign-in");
    await one.context.close();
  });

  it("fits a phone: nothing is wider than the screen, and a chat works", async () => {
    const one = await visit({}, { width: 375, height: 720 });
    await one.at("composer").fill("from a phone");
    await one.at("send").click();
    await finished(one, "You said: from a phone");
    expect(await one.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
    await one.shot("phone");
    await one.context.close();
  });
});
