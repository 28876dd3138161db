// Cold start: from exec of workerd until the first /healthz is answered, less the same for the pass-through. What remains is what the
// gateway adds to a fresh isolate: reading, compiling and instantiating its Wasm and JavaScript, and one request through them.
// Always holds: every sample is a new process; the two Workers take turns.
// Absent: the network and the platform's own scheduling. Cloudflare also keeps compiled Wasm, which a fresh process here cannot.
import { GATEWAY, PASSTHROUGH, Workerd } from "./workerd.mjs";

const SAMPLES = 5;
const VARS = { BEHEST_ADMIN_TOKEN: "admin-token-of-the-bench", BEHEST_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), IP_RPM: 0 };

/** Milliseconds, a list for each of the two; `first` likewise, only the first request. */
export async function coldStart() {
  const result = { passthrough: [], gateway: [], first: { passthrough: [], gateway: [] } };
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    for (const [key, worker, vars] of [["passthrough", PASSTHROUGH, {}], ["gateway", GATEWAY, VARS]]) {
      const workerd = await Workerd.start(worker, vars);
      try {
        const began = performance.now();
        const answer = await fetch(`http://127.0.0.1:${workerd.port}/healthz`, { signal: AbortSignal.timeout(10_000) });
        if (!answer.ok) throw new Error(`/healthz answered ${answer.status}`);
        const first = performance.now() - began;
        result[key].push(workerd.startMs + first);
        result.first[key].push(first);
        await answer.arrayBuffer();
      } finally {
        await workerd.stop();
      }
    }
  }
  return result;
}
