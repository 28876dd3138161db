// A headless Chromium for the browser tests, driven by playwright-core; nothing is downloaded.
// Always holds: without a Chromium the tests say so loudly, and fail where CI=true; what the page logs as an error is kept.
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const PATH = process.env.BEHEST_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"];

/** Why the browser tests cannot run here, if they cannot. */
export function noChromium(): string | undefined {
  if (existsSync(PATH)) return undefined;
  const message = `NO CHROMIUM at ${PATH}: the browser tests are NOT RUN. Install it, or name one with BEHEST_CHROMIUM.`;
  if (process.env.CI === "true") throw new Error(message);
  console.warn(`\n*** ${message} ***\n`);
  return message;
}

export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: PATH, headless: true, args: FLAGS, timeout: 30_000 });
}

/** The page's uncaught errors and error messages; tests expect which there are. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on("pageerror", (error) => heard.push(`uncaught: ${error.message}`));
  page.on("console", (message) => { if (message.type() === "error") heard.push(message.text()); });
  return heard;
}
