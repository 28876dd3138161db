// The built Worker on Miniflare without wrangler's own proxy in front, run as a child process by gateway.ts: the client's connection is
// workerd's own, so that a test can see what the Worker does when it breaks.
// Always holds: it says where it listens; bindings from wrangler.toml, variables from the argument alone; an `entry` is a module that stands before the built one and
// imports it as `./entry.js`; `AI` is bound if there is a script for it; with `second`, the same Worker runs in another isolate too, bound
// as `ELSEWHERE`, over the first one's objects and KV. Absent: static assets.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

const { root, persist, vars, entry, ai, second } = JSON.parse(process.argv[2]);
process.chdir(root);
const { modulesRules: _rules, assets: _assets, ...worker } = unstable_getMiniflareWorkerOptions("wrangler.toml").workerOptions;
const build = join(root, "build");
const modules = [["ESModule", "entry.js"], ["ESModule", "index.js"], ["CompiledWasm", "index_bg.wasm"]].map(([type, name]) => ({ type, path: join(build, name) }));
if (entry) modules.unshift({ type: "ESModule", path: join(build, basename(entry)), contents: readFileSync(entry, "utf8") });
const fake = { name: "fake-ai", modules: true, scriptPath: join(root, "tests", "support", "fake-ai.mjs"), compatibilityDate: worker.compatibilityDate, bindings: { SCRIPT: ai } };
const first = { ...worker, name: "behest", modulesRoot: build, modules, bindings: vars, serviceBindings: { ...(ai && { AI: "fake-ai" }), ...(second && { ELSEWHERE: "elsewhere" }) } };
const theirs = Object.fromEntries(Object.entries(worker.durableObjects).map(([name, object]) => [name, { ...object, scriptName: first.name }]));
const elsewhere = { ...first, name: "elsewhere", durableObjects: theirs, serviceBindings: {} };
const miniflare = new Miniflare(convertV4MiniflareOptions({
  host: "127.0.0.1", port: 0, cf: false, resourcePersistencePath: persist,
  workers: [first, ...(ai ? [fake] : []), ...(second ? [elsewhere] : [])],
}));
console.log(`Ready on ${(await miniflare.ready).origin}`);
process.once("SIGTERM", () => void miniflare.dispose().then(() => process.exit(0)));
