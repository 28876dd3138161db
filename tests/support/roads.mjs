// The built Worker with an outside of its own: what it fetches from `https://….example` is served by the server at OUTSIDE (with the same path),
// everything else goes where it says. `GET /roads` tells every address that was fetched since the last time it was asked.
// Always holds: the gateway's own code runs as built and knows nothing of this. Absent: judgement of where it may go.
import gateway, * as built from "./entry.js";

export const { UserObject, ProjectObject, DirectoryObject, AddressObject } = built;

let taken = [];
const really = globalThis.fetch;
let outside;

globalThis.fetch = (input, init) => {
  const address = typeof input === "string" ? input : input.url;
  taken.push(address);
  const url = new URL(address);
  return really(url.protocol === "https:" && url.hostname.endsWith(".example") ? `${outside}${url.pathname}${url.search}` : input, init);
};

export default {
  async fetch(request, env, ctx) {
    outside = env.OUTSIDE;
    if (new URL(request.url).pathname !== "/roads") return new gateway(ctx, env).fetch(request);
    const told = Response.json(taken);
    taken = [];
    return told;
  },
};
