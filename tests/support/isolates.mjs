// The built Worker in two isolates over the same objects and the same KV, as on Cloudflare: `/elsewhere/…` is served by the other one, which
// shares no memory with the first. A test sets both their clocks, and how old an answer of the first one's KV is, and asks which users'
// objects were told of a change, and when.
// Always holds: the gateway's own code runs as built and knows nothing of this; a clock only goes forward; KV answers what it answered so
// long ago by that clock, misses too. Absent: staleness of the other isolate's KV, and faults (unreliable.mjs).
import gateway, * as built from "./entry.js";

const real = Date.now;
let [ahead, patched, staleMs] = [0, false, 0];
Date.now = () => real() + ahead;
/** What was written to KV, by name: when, and what; null is nothing. */
const written = new Map();
const reads = { old: 0, current: 0 };
/** Who was told of a change by their project's object, and when that was answered, by the machine's clock. */
const told = [];

const latest = (name, at) => written.get(name)?.findLast(([when]) => when <= at);

function note(name, value) {
  written.set(name, [...(written.get(name) ?? [[0, null]]), [Date.now(), value]]);
}

function late(kv) {
  return {
    async get(name, ...options) {
      const [then, current] = [latest(name, Date.now() - staleMs), latest(name, Infinity)];
      reads[then === current ? "current" : "old"] += 1;
      return then ? then[1] : kv.get(name, ...options);
    },
    async put(name, value, ...options) {
      await kv.put(name, value, ...options);
      note(name, value);
    },
    async delete(name) {
      await kv.delete(name);
      note(name, null);
    },
    getWithMetadata: (...args) => kv.getWithMetadata(...args),
    list: (...args) => kv.list(...args),
  };
}

/** The objects' alarms are still set by the machine's clock. */
function patch(storage) {
  if (patched) return;
  patched = true;
  const prototype = Object.getPrototypeOf(storage);
  const { setAlarm, getAlarm } = prototype;
  prototype.setAlarm = function set(at, ...options) {
    return setAlarm.call(this, Number(at) - ahead, ...options);
  };
  prototype.getAlarm = async function get(...options) {
    const at = await getAlarm.call(this, ...options);
    return at === null ? null : at + ahead;
  };
}

function observed(Built) {
  return class extends Built {
    constructor(state, env) {
      patch(state.storage);
      super(state, { ...env, CONFIG: late(env.CONFIG) });
    }

    async ask(text) {
      const { command } = JSON.parse(text);
      const answer = await super.ask(text);
      if (command?.give_back) told.push({ user: command.give_back.user, version: command.give_back.version, at: real() });
      return answer;
    }
  };
}

export const UserObject = observed(built.UserObject);
export const ProjectObject = observed(built.ProjectObject);
export const { DirectoryObject, AddressObject } = built;

/** What a test asks of this file: `POST /test {ahead_ms?, stale_ms?}` changes, and tells what has been seen since the last time. */
async function testing(request, env) {
  if (env.ELSEWHERE) await env.ELSEWHERE.fetch(request.clone()).then((answer) => answer.arrayBuffer());
  const { ahead_ms: more = 0, stale_ms: stale = staleMs } = await request.json();
  ahead += more;
  staleMs = stale;
  const seen = { reads: { ...reads }, told: told.splice(0) };
  Object.assign(reads, { old: 0, current: 0 });
  return Response.json(seen);
}

export default {
  async fetch(request, env, ctx) {
    const { pathname, search, origin } = new URL(request.url);
    if (pathname === "/test") return testing(request, env);
    const [, path] = pathname.match(/^\/elsewhere(\/.*)$/) ?? [];
    if (path && env.ELSEWHERE) return env.ELSEWHERE.fetch(new Request(origin + path + search, request));
    return new gateway(ctx, { ...env, CONFIG: late(env.CONFIG) }).fetch(request);
  },
};
