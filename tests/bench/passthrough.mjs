// What the gateway is measured against: the least a Worker between a browser and a provider can do.
// Always holds: the request's body is read, the provider is asked with its own key, its answer goes back as it came, with CORS headers.
// Absent on purpose: everything else.
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/healthz") return new Response('{"status":"ok"}');
    const answer = await fetch(`${env.UPSTREAM}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${env.PROVIDER_KEY}` },
      body: await request.arrayBuffer(),
    });
    return new Response(answer.body, {
      status: answer.status,
      headers: {
        "content-type": answer.headers.get("content-type"),
        "access-control-allow-origin": request.headers.get("origin") ?? "*",
        vary: "Origin",
      },
    });
  },
};
