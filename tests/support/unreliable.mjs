// The built Worker with unreliable ways between its objects: a message may be lost before it arrives, its answer may be lost, or it arrives
// twice at once. `GET /faults` tells how often each befell which message since the start.
// Always holds: the gateway's own code runs as built and knows nothing of this; what befalls a message follows from the seed and its number.
// Variables: FAULTS, the part of all messages that something befalls (0 to 1); FAULT_SEED; CLOCK_AHEAD_MS, by which all clocks of the Worker
// are ahead of the machine's. Absent: faults of whole objects (a test kills the process), and of the way to the provider.
import gateway, * as built from "./entry.js";

/** What may befall a message: what is settled, held, reported; what is told of it to the project; and what is asked of its limits. */
const MESSAGES = new Set(["begin", "progress", "finish", "rollup", "lease"]);
const FAULTS = ["lost", "unanswered", "doubled"];
const befallen = {};
let [numbered, clock] = [0, false];

/** From 0 to 1, by the seed and how often it was asked for. */
function chance(seed) {
  let n = Math.imul(seed ^ Math.imul((numbered += 1), 0x9e3779b1), 0x85ebca6b);
  n = Math.imul(n ^ (n >>> 15), 0xc2b2ae35);
  return ((n ^ (n >>> 13)) >>> 0) / 4_294_967_296;
}

/** The name of a command is the only key of its JSON, or all of it; a user's object is told of a token beside it. */
function named(text) {
  const message = JSON.parse(text);
  const command = message.command ?? message;
  return typeof command === "string" ? command : Object.keys(command)[0];
}

async function deliver(ask, env, text) {
  const message = named(text);
  if (!MESSAGES.has(message) || chance(Number(env.FAULT_SEED)) >= Number(env.FAULTS)) return ask();
  const which = FAULTS[Math.floor(chance(Number(env.FAULT_SEED)) * FAULTS.length)];
  befallen[message] ??= Object.fromEntries(FAULTS.map((fault) => [fault, 0]));
  befallen[message][which] += 1;
  if (which === "lost") throw new Error("a test lost a message");
  const answers = await Promise.all(which === "doubled" ? [ask(), ask()] : [ask()]);
  if (which === "unanswered") throw new Error("a test lost an answer");
  return answers[0];
}

/** Puts the Worker's clocks ahead; an alarm is still set by the machine's. */
function ahead(ms, storage) {
  if (clock || !ms) return;
  clock = true;
  const now = Date.now;
  Date.now = () => now() + ms;
  const prototype = Object.getPrototypeOf(storage);
  const { setAlarm } = prototype;
  prototype.setAlarm = function set(at, ...options) {
    return setAlarm.call(this, Number(at) - ms, ...options);
  };
}

function unreliable(Built) {
  return class extends Built {
    constructor(state, env) {
      ahead(Number(env.CLOCK_AHEAD_MS ?? 0), state.storage);
      super(state, env);
    }

    ask(text) {
      return deliver(() => super.ask(text), this.env, text);
    }
  };
}

export const UserObject = unreliable(built.UserObject);
export const ProjectObject = unreliable(built.ProjectObject);
export const { DirectoryObject, AddressObject } = built;

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/faults") return Response.json(befallen);
    return new gateway(ctx, env).fetch(request);
  },
};
