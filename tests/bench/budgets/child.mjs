// Another program for as long as the bench lives: its own log, its own end.
// Always holds: start() resolves once `url` answers, or rejects with the end of the log; stop() ends this program and what it started
// (guard.mjs), nothing else; it also ends if the bench dies.
// Absent: what the program is.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { at } from "../../../scripts/project.mjs";

export class Child {
  #process;
  #ended;
  #log;

  /** @param ready answers whether it is ready, as a promise */
  static async start({ program, args, env, cwd, log, ready, within }) {
    const child = new Child();
    child.#log = log;
    const out = openSync(log, "w");
    child.#process = spawn(process.execPath, [at("scripts", "guard.mjs"), program, ...args], { cwd, env, detached: true, stdio: ["pipe", out, out] });
    closeSync(out);
    child.#process.stdin.on("error", () => {});
    child.#ended = new Promise((resolve) => child.#process.once("exit", resolve).once("error", resolve));
    let gone = false;
    child.#ended.then(() => { gone = true; });
    for (const deadline = Date.now() + within; ; await sleep(100)) {
      if (await ready()) return child;
      if (!gone && Date.now() < deadline) continue;
      await child.stop();
      throw new Error(`${program} ${gone ? "ended while starting" : `was not ready within ${within} ms`}. Its log (${log}) ends with:\n${readFileSync(log, "utf8").slice(-3000)}`);
    }
  }

  stop() {
    this.#process.stdin.end();
    return this.#ended;
  }
}
