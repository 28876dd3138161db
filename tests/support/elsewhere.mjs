// The built Worker with a door to its projects' objects: `POST /elsewhere/{project}` gives one a command past this isolate, which goes on
// believing what it has read, as isolates elsewhere do.
// Always holds: the gateway's own code runs as built and knows nothing of this.
import gateway, * as built from "./entry.js";

export const { UserObject, ProjectObject, DirectoryObject, AddressObject } = built;

export default {
  async fetch(request, env, ctx) {
    const project = new URL(request.url).pathname.match(/^\/elsewhere\/(.+)$/)?.[1];
    if (!project) return new gateway(ctx, env).fetch(request);
    return new Response(await env.PROJECT_OBJECT.getByName(project).ask(JSON.stringify({ config: { command: await request.json(), by: null } })));
  },
};
