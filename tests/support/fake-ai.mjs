// Stands for Cloudflare's Workers AI where there is no account: the binding's one method, answered by a script on loopback.
// Always holds: what the binding was given arrives there as one JSON body; its answer comes back as it is.
import { WorkerEntrypoint } from "cloudflare:workers";

export default class extends WorkerEntrypoint {
  run(model, inputs, options) {
    return fetch(this.env.SCRIPT, { method: "POST", body: JSON.stringify({ model, inputs, options }) });
  }
}
