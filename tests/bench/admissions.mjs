// How many requests one user's object admits and settles in a second, when nothing else is asked of the gateway.
// Always holds: two calls of the object for each, as in life; limits are far away, and the project's are held by lease.
// Absent: the Worker's own part of a request, which a second core could do.
import { randomBytes } from "node:crypto";
import { at } from "../../scripts/project.mjs";
import { Project } from "./cost/project.mjs";
import { GATEWAY, Workerd } from "./workerd.mjs";

const DOOR = { ...GATEWAY, modules: { "one-object.mjs": at("tests", "bench", "one-object.mjs"), ...GATEWAY.modules } };
const LIMITS = { project_rpm: 1_000_000_000, user_rpm: 1_000_000_000, user_tokens_per_day: 9_000_000_000_000_000 };
/** The object counts the requests of a minute exactly, so a round must not be longer than one. */
export const ADMISSIONS = { warmUp: 1_000, rounds: 5, count: 1_000, width: 64 };

/** Admissions a second, one number per round. */
export async function admissions(upstream) {
  const admin = randomBytes(24).toString("hex");
  const workerd = await Workerd.start(DOOR, { BEHEST_ADMIN_TOKEN: admin, BEHEST_MASTER_KEY: randomBytes(32).toString("base64"), IP_RPM: 0, ALLOW_PRIVATE_UPSTREAMS: 1 });
  const base = `http://127.0.0.1:${workerd.port}`;
  const admit = async (count) => {
    const answer = await fetch(`${base}/admissions?count=${count}&width=${ADMISSIONS.width}`, { method: "POST", signal: AbortSignal.timeout(60_000) });
    if (!answer.ok) throw new Error(`the object did not admit: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
  };
  try {
    const project = await Project.create(base, admin, upstream, LIMITS);
    await project.users(1);
    await project.chats(2, { width: 1 });
    await admit(ADMISSIONS.warmUp);
    const rates = [];
    for (let round = 0; round < ADMISSIONS.rounds; round += 1) {
      const began = performance.now();
      await admit(ADMISSIONS.count);
      rates.push(ADMISSIONS.count / ((performance.now() - began) / 1_000));
    }
    return rates;
  } finally {
    await workerd.stop();
  }
}
