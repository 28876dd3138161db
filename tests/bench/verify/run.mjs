// What believing a token costs, by who signed it, and what refusing one costs, by what is wrong with it (refused.mjs): CPU of the whole workerd
// process, per request of GET /v1/models in a deployment without limits, so that hardly anything else is done. "New": each request brings a token
// that this isolate has not seen. "Known": all bring the same.
// Always holds: the rounds take turns, and the least of them counts; an answer with another status than is due ends it.
// Absent: limits, objects, and the provider, which measure.mjs has; judgement: the promises are printed beside the figures.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { GATEWAY, Workerd } from "../workerd.mjs";
import { refusals } from "./refused.mjs";

const REQUESTS = 400;
const ROUNDS = 7;
const ALGORITHMS = {
  RS256: { pair: () => generateKeyPairSync("rsa", { modulusLength: 2048 }), sign: (input, key) => sign("sha256", input, key) },
  PS256: { pair: () => generateKeyPairSync("rsa", { modulusLength: 2048 }), sign: (input, key) => sign("sha256", input, { key, padding: 6, saltLength: 32 }) },
  ES256: { pair: () => generateKeyPairSync("ec", { namedCurve: "P-256" }), sign: (input, key) => sign("sha256", input, { key, dsaEncoding: "ieee-p1363" }) },
  ES384: { pair: () => generateKeyPairSync("ec", { namedCurve: "P-384" }), sign: (input, key) => sign("sha384", input, { key, dsaEncoding: "ieee-p1363" }) },
  EdDSA: { pair: () => generateKeyPairSync("ed25519"), sign: (input, key) => sign(null, input, key) },
};

const admin = randomBytes(24).toString("hex");
const vars = { BEHEST_ADMIN_TOKEN: admin, BEHEST_MASTER_KEY: randomBytes(32).toString("base64"), IP_RPM: 0, BEHEST_UNMETERED: 1 };
let asked = 0;
const workerd = await Workerd.start(GATEWAY, vars);
try {
  const project = await ask("/v1/projects", admin, { name: "bench" });
  const { key } = await ask(`/v1/projects/${project.id}/keys`, admin, { name: "bench" });
  const keys = {};
  const rows = new Map([["minted (EdDSA)", async () => (await ask("/v1/auth/mint", key, { user_id: "u" })).access_token]]);
  for (const [alg, { pair, sign: signed }] of Object.entries(ALGORITHMS)) {
    const { publicKey, privateKey } = pair();
    const jwk = publicKey.export({ format: "jwk" });
    const { kid, public_key } = await ask(`/v1/projects/${project.id}/signing-keys`, admin, { name: alg, alg, public_key: jwk });
    const own = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
    keys[alg] = { alg, kid, jwk: public_key, pem: publicKey.export({ type: "spki", format: "pem" }), sign: (input) => signed(Buffer.from(input), own) };
    rows.set(`tenant's ${alg}`, async () => token(project, alg, kid, (input) => signed(input, own)));
  }
  const families = refusals(project, keys);
  const least = new Map();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, make] of rows) {
      const fresh = await Promise.all(Array.from({ length: REQUESTS }, make));
      keep(least, `${name}\tnew`, await perRequest(fresh));
      keep(least, `${name}\tknown`, await perRequest([fresh[0]]));
    }
    keep(least, "nobody's\t", await perRequest([], 401));
    for (const { name, path, status, make } of families) {
      keep(least, `refused\t${name}`, await perRequest(Array.from({ length: REQUESTS }, make), status, path));
    }
  }
  const refused = least.get("nobody's\t");
  console.log(`CPU per request of GET /v1/models, µs (least of ${ROUNDS} rounds of ${REQUESTS}); a request without a token, refused: ${refused.toFixed(0)}`);
  console.log("signed by              new   known   verifying once   known beyond refused");
  for (const name of rows.keys()) {
    const [fresh, known] = [least.get(`${name}\tnew`), least.get(`${name}\tknown`)];
    console.log(`${name.padEnd(20)} ${[fresh, known, fresh - known, known - refused].map((micros, at) => micros.toFixed(0).padStart([5, 8, 17, 23][at])).join("")}`);
  }
  console.log("\nCPU per request that is refused, µs; each brings another token or key");
  console.log("what is wrong                                      all   over a bare refusal   promised");
  for (const { name, bare, promise } of families) {
    const all = least.get(`refused\t${name}`);
    const over = all - least.get(bare ? `refused\t${bare}` : "nobody's\t");
    console.log(`${name.padEnd(48)} ${all.toFixed(0).padStart(5)} ${over.toFixed(0).padStart(21)} ${promise ? `${over <= promise ? "  within" : "  BEYOND"} ${promise}` : ""}`);
  }
} finally {
  await workerd.stop();
}

function keep(least, name, micros) {
  least.set(name, Math.min(micros, least.get(name) ?? Number.POSITIVE_INFINITY));
}

async function perRequest(credentials, status = 200, path = "/v1/models") {
  const method = path === "/v1/models" ? "GET" : "POST";
  const before = workerd.cpu();
  for (let n = 0; n < REQUESTS; n += 1) {
    const credential = credentials[n % credentials.length];
    // Each from another address: guessing is limited by address.
    asked += 1;
    const headers = { "cf-connecting-ip": [11, asked >> 16, asked >> 8, asked].map((byte) => byte & 255).join("."), ...(credential && { authorization: `Bearer ${credential}` }) };
    const answer = await fetch(`http://127.0.0.1:${workerd.port}${path}`, { method, headers });
    if (answer.status !== status) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  }
  return (workerd.cpu() - before) / REQUESTS;
}

function token(project, alg, kid, signed) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { tid: project.tenant_id, pid: project.id, uid: "u", iss: "behest", aud: "behest", iat: now, nbf: now, exp: now + 900, jti: randomBytes(16).toString("hex") };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const input = `${part({ alg, kid, typ: "JWT" })}.${part(claims)}`;
  return `${input}.${signed(Buffer.from(input)).toString("base64url")}`;
}

async function ask(path, credential, body) {
  const headers = { authorization: `Bearer ${credential}`, "content-type": "application/json" };
  const answer = await fetch(`http://127.0.0.1:${workerd.port}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
