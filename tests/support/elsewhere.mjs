// The built Worker with a door to its projects' objects: `POST /elsewhere/{project}` gives one a command past this isolate, which goes on
// believing what it has read, as isolates elsewhere do. `GET /told` tells when each user's object was first told of a change.
// Always holds: the gateway's own code runs as built and knows nothing of this.
// Variables: SLOW_USERS, every how many-th user's object keeps whoever tells it waiting for five seconds (0: none).
import gateway, * as built from "./index.js";

const told = {};
let seen = 0;

export class UserObject {
  constructor(state, env) {
    const inner = new built.UserObject(state, env);
    const every = Number(env.SLOW_USERS ?? 0);
    const slow = every > 0 && (seen += 1) % every === 0;
    this.alarm = () => inner.alarm();
    this.fetch = async (request) => {
      const { command } = await request.clone().json();
      if (!command?.give_back) return inner.fetch(request);
      if (slow) await new Promise((resolve) => setTimeout(resolve, 5_000));
      const answer = await inner.fetch(request);
      told[state.id.name] ??= Date.now();
      return answer;
    };
  }
}

export const { ProjectObject, DirectoryObject, AddressObject } = built;

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/told") return Response.json(told);
    const project = pathname.match(/^\/elsewhere\/(.+)$/)?.[1];
    if (!project) return new gateway(ctx, env).fetch(request);
    return env.PROJECT_OBJECT.getByName(project).fetch("https://object/", { method: "POST", body: JSON.stringify({ config: await request.json() }) });
  },
};
