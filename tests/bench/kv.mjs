// A KV namespace in memory, for workerd's `kvNamespace` binding: the HTTP that binding speaks (GET, PUT, DELETE of /name).
// Always holds: a read finds what was last written.
// Absent on purpose: expiry, metadata, lists and KV's delays. The gateway's hot path reads no KV; the bench proves that.
const values = new Map();

export default {
  async fetch(request) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === "PUT") values.set(name, await request.arrayBuffer());
    if (request.method === "DELETE") values.delete(name);
    if (request.method !== "GET") return new Response(null, { status: 204 });
    return values.has(name) ? new Response(values.get(name)) : new Response(null, { status: 404 });
  },
};
