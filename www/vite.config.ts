// How the playground is built: one page, relative URLs, no inline script, style or data URI, so
// that a strict Content-Security-Policy (public/_headers) holds. `vite www` passes the API's paths
// to a gateway on GATEWAY_URL (default http://localhost:8787). Deliberately absent: a framework
// plugin; Vite compiles JSX itself.
import { defineConfig } from "vitest/config";

const gateway = process.env["GATEWAY_URL"] ?? "http://localhost:8787";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: "es2022", assetsInlineLimit: 0, emptyOutDir: true },
  server: { host: "127.0.0.1", proxy: { "/v1": gateway, "/healthz": gateway } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
