// The built Worker with a door to its users' objects: `POST /admissions?count=…&width=…` has the object that was last asked admit and settle
// so many requests like the last one that came the ordinary way, so many at once.
// Always holds: the gateway's own code runs as built and knows nothing of this; an admission that is refused, or does not settle, is an error.
// Absent: measuring time. An isolate's clock stands still between I/O.
import gateway, * as built from "./entry.js";

const last = {};

export class UserObject extends built.UserObject {
  ask(text) {
    if (!last.finish) Object.assign(last, JSON.parse(text).command, { name: this.ctx.id.name });
    return super.ask(text);
  }
}

export const { ProjectObject, DirectoryObject, AddressObject } = built;

async function admissions(env, count, width) {
  const object = env.USER_OBJECT.getByName(last.name);
  const ask = async (command) => JSON.parse(await object.ask(JSON.stringify({ command }))).result.Ok;
  let begun = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (begun < count) {
      const request_id = `req_${(begun += 1)}_${crypto.randomUUID()}`;
      const { reservation } = (await ask({ begin: { ...last.begin, request_id } })).begun;
      const { finished } = await ask({ finish: { ...last.finish, request_id, seq: reservation.seq } });
      if (!finished.settled) throw new Error(`${request_id} did not settle`);
    }
  }));
  return begun;
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname !== "/admissions") return new gateway(ctx, env).fetch(request);
    const [count, width] = ["count", "width"].map((name) => Number(url.searchParams.get(name)));
    return Response.json({ admitted: await admissions(env, count, width) });
  },
};
