// One shape for everything that can go wrong, whatever it arrived as: an HTTP error with the
// gateway's body, one with somebody else's (a proxy's HTML), an `{"error"}` event inside a stream,
// or no answer at all. Always holds: `message` can be shown as it is.
import { parseMoment } from "./duration";
import { asNumber, asObject, asString, parseJson, type Json } from "./json";

export interface Failure {
  message: string;
  code: string;
  /** HTTP status; 0 when there was no answer or the answer had already begun. */
  status: number;
  param?: string;
  requestId?: string;
  /** Epoch milliseconds from which trying again makes sense. */
  retryAt?: number;
  /** Epoch milliseconds at which a spent budget comes back. */
  resetsAt?: number;
}

/** A thrown Failure, for the calls that are awaited. */
export class GatewayError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
    this.name = "GatewayError";
  }
}

export async function failureOfResponse(response: Response, now: number): Promise<Failure> {
  const text = await response.text().catch(() => "");
  return failureOfAnswer(response.status, response.headers, text, now);
}

export function failureOfAnswer(status: number, headers: Headers, body: string, now: number): Failure {
  const failure = failureOfBody(parseJson(body)) ?? {
    message: `The server answered ${status} without saying why.`,
    code: `http_${status}`,
  };
  const requestId = headers.get("x-request-id") ?? undefined;
  const retryAt = retryMoment(headers, now);
  return { ...failure, status, ...(requestId && { requestId }), ...(retryAt !== undefined && { retryAt }) };
}

/** The failure in a stream's event, or undefined if the event is an ordinary chunk. */
export function failureOfEvent(event: Json | undefined, requestId: string | undefined): Failure | undefined {
  const failure = failureOfBody(event);
  return failure && { ...failure, status: 0, ...(requestId && { requestId }) };
}

export function failureOfException(error: unknown): Failure {
  if (error instanceof GatewayError) return error.failure;
  return {
    message: "No answer from the gateway. Check the connection and try again.",
    code: "network_error",
    status: 0,
  };
}

/** True if a new token, and nothing else, will help. */
export function needsToken(failure: Failure): boolean {
  return failure.status === 401 || failure.code === "token_expired" || failure.code === "invalid_token";
}

type Described = Pick<Failure, "message" | "code" | "param" | "resetsAt">;

function failureOfBody(body: Json | undefined): Described | undefined {
  const outer = asObject(body);
  if (!outer || outer["error"] === undefined || outer["error"] === null) return undefined;
  if (typeof outer["error"] === "string") return { message: outer["error"], code: "error" };
  const error = asObject(outer["error"]) ?? {};
  const details = asObject(error["details"]);
  const param = asString(error["param"]);
  const resetsAt = parseMoment(details?.["resets_at"]);
  return {
    message: asString(error["message"]) ?? "The gateway reported an error without a message.",
    code: asString(error["code"]) ?? asString(outer["code"]) ?? asString(error["type"]) ?? "error",
    ...(param !== undefined && { param }),
    ...(resetsAt !== undefined && { resetsAt }),
  };
}

function retryMoment(headers: Headers, now: number): number | undefined {
  const ms = headers.get("retry-after-ms");
  if (ms !== null && /^\d+(\.\d+)?$/.test(ms)) return now + Number(ms);
  const after = headers.get("retry-after");
  if (after === null) return undefined;
  if (/^\d+$/.test(after)) return now + Number(after) * 1000;
  return asNumber(Date.parse(after));
}
