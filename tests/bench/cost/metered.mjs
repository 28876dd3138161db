// The built Worker with a meter around it: everything the platform bills for, counted where it happens. `GET /meter` reads it, `DELETE /meter`
// sets it to zero.
// Always holds: the gateway's own code runs as built and knows nothing of this; what it does after an answer is counted too.
// Absent: times. An isolate's clock stands still between I/O. And memory that is given back: this is for a bench of seconds.
import gateway, * as built from "./entry.js";

const METER = "/meter";
const kinds = new Map();
const stores = new Map();
let now = fresh();
let patched = false;

function fresh() {
  return { kv_reads: 0, kv_writes: 0, objects: {} };
}

/** The meter of one class of objects. */
function meter(kind) {
  now.objects[kind] ??= { calls: 0, alarms: 0, alarms_set: 0, rows_written: 0, rows_read: 0, asked: {} };
  return now.objects[kind];
}

/** Puts the meter where all objects and bindings pass. Their classes have no names here: the first instance leads to them. */
function patch(storage, kv) {
  patched = true;
  around(storage.sql, "exec", (cursor, sql) => { live.push([kinds.get(sql), cursor]); });
  around(storage, "setAlarm", (_, self) => { meter(kinds.get(self)).alarms_set += 1; });
  around(storage, "deleteAlarm", (_, self) => { meter(kinds.get(self)).alarms_set += 1; });
  around(kv, "get", () => { now.kv_reads += 1; });
  for (const name of ["put", "delete"]) around(kv, name, () => { now.kv_writes += 1; });
}

function around(instance, name, note) {
  const prototype = Object.getPrototypeOf(instance);
  const original = prototype[name];
  prototype[name] = function metered(...args) {
    const result = original.apply(this, args);
    note(result, this);
    return result;
  };
}

/** Cursors whose rows are not counted yet: they count until they have been read to their end. */
let live = [];

/** What the objects of each class keep, bytes, as of each one's last call. */
function sizes() {
  const sums = {};
  for (const [kind, bytes] of stores.values()) sums[kind] = (sums[kind] ?? 0) + bytes;
  return sums;
}

function settle() {
  for (const [kind, cursor] of live) {
    const one = meter(kind);
    one.rows_written += cursor.rowsWritten;
    one.rows_read += cursor.rowsRead;
  }
  live = [];
}

/** Counts what an object is asked: the name of a command is the only key of its JSON, or all of it. */
function note(asked, text) {
  const command = JSON.parse(text);
  const name = typeof command === "string" ? command : Object.keys(command)[0];
  asked[name] = (asked[name] ?? 0) + 1;
}

function metered(kind, Built) {
  return class extends Built {
    constructor(state, env) {
      if (!patched) patch(state.storage, env.CONFIG);
      kinds.set(state.storage.sql, kind).set(state.storage, kind);
      super(state, env);
    }

    ask(text) {
      note(meter(kind).asked, text);
      return this.#counted("calls", () => super.ask(text));
    }

    alarm() {
      return this.#counted("alarms", () => super.alarm());
    }

    async #counted(field, work) {
      meter(kind)[field] += 1;
      const answer = await work();
      stores.set(this.ctx.id.toString(), [kind, this.ctx.storage.sql.databaseSize]);
      return answer;
    }
  };
}

export const UserObject = metered("user", built.UserObject);
export const ProjectObject = metered("project", built.ProjectObject);
export const DirectoryObject = metered("directory", built.DirectoryObject);
export const AddressObject = metered("address", built.AddressObject);

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== METER) return new gateway(ctx, env).fetch(request);
    settle();
    if (request.method === "DELETE") now = fresh();
    return Response.json({ ...now, bytes: sizes() });
  },
};
