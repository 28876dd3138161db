// An identity provider for tests: signing keys, tokens in the shapes of real products, and a JWKS server that can misbehave.
// Always holds: it listens on loopback, counts what it is asked, and signs with Node's own crypto.
// Absent: what a gateway should make of it. Tests say that.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "./project.ts";

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
export const now = (): number => Math.floor(Date.now() / 1000);

/** A key pair of one algorithm, under a kid. */
export class Signer {
  private constructor(readonly alg: string, readonly kid: string, private readonly privateKey: KeyObject, readonly jwk: Json) {}

  static make(alg: "RS256" | "ES256" | "EdDSA", kid: string): Signer {
    const pair =
      alg === "RS256" ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("ed25519");
    const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
    return new Signer(alg, kid, pair.privateKey, jwk);
  }

  token(claims: Json, head: Json = {}): string {
    const input = `${encode({ alg: this.alg, typ: "JWT", kid: this.kid, ...head })}.${encode(claims)}`;
    const data = Buffer.from(input);
    const signature =
      this.alg === "EdDSA" ? sign(null, data, this.privateKey)
      : sign("sha256", data, this.alg === "ES256" ? { key: this.privateKey, dsaEncoding: "ieee-p1363" } : this.privateKey);
    return `${input}.${signature.toString("base64url")}`;
  }
}

export function hs256(secret: string, claims: Json, head: Json = {}): string {
  const input = `${encode({ alg: "HS256", typ: "JWT", ...head })}.${encode(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves what `behave` says; `/jwks` serves the keys until it says otherwise. */
export class KeyServer {
  hits: string[] = [];
  /** How often somebody came, whether anything was asked or not. */
  connections = 0;
  keys: Json[] = [];
  headers: Record<string, string> = { "cache-control": "public, max-age=3600" };
  behave: Behaviour = (_request, response) => this.serve(response, { keys: this.keys });
  private constructor(private readonly server: Server, readonly url: string) {}

  static async start(...signers: Signer[]): Promise<KeyServer> {
    let self: KeyServer;
    const server = createServer((request, response) => {
      self.hits.push(request.url!);
      self.behave(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    server.on("connection", () => { self.connections += 1; });
    self = new KeyServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    self.keys = signers.map((signer) => signer.jwk);
    return self;
  }

  serve(response: ServerResponse, document: unknown, status = 200): void {
    response.writeHead(status, { "content-type": "application/json", ...this.headers }).end(typeof document === "string" ? document : JSON.stringify(document));
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
