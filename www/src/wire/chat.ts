// One chat request over fetch, as a sequence of what happened: the answer's head, then pieces of
// text, reasoning and tool calls, usage, and exactly one ending (`end` or `failure`). Only an abort
// throws. A stream that closes without `[DONE]` is a failure, never a clean end.
import type { ChatBody } from "../chat/body";
import { usageOf, type Usage } from "../chat/message";
import { failureOfEvent, failureOfException, failureOfResponse, type Failure } from "./failure";
import { asArray, asNumber, asObject, asString, parseJson, type Json } from "./json";
import { readLimits, type Limits } from "./limits";
import { readEvents } from "./sse";

export interface ToolCallPiece {
  index: number;
  id?: string;
  name?: string;
  arguments?: string;
}

export type ChatEvent =
  | { kind: "head"; status: number; requestId?: string; model?: string; provider?: string; limits: Limits }
  | { kind: "raw"; data: string }
  | { kind: "text"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "tool"; piece: ToolCallPiece }
  | { kind: "usage"; usage: Usage }
  | { kind: "finish"; reason: string }
  | { kind: "failure"; failure: Failure }
  | { kind: "end" };

export interface ChatCall {
  body: ChatBody;
  threadId: string;
  token: string;
  signal: AbortSignal;
}

export async function* streamChat(call: ChatCall, send: typeof fetch = fetch): AsyncGenerator<ChatEvent, void> {
  try {
    yield* converse(call, send);
  } catch (error) {
    if (call.signal.aborted) throw error;
    yield { kind: "failure", failure: failureOfException(error) };
  }
}

async function* converse(call: ChatCall, send: typeof fetch): AsyncGenerator<ChatEvent, void> {
  const response = await send("/v1/chat/completions", {
    method: "POST",
    headers: {
      authorization: `Bearer ${call.token}`,
      "content-type": "application/json",
      accept: "text/event-stream",
      "x-thread-id": call.threadId,
    },
    body: JSON.stringify(call.body),
    signal: call.signal,
  });
  yield headOf(response);
  if (!response.ok || !response.body) {
    yield { kind: "failure", failure: await failureOfResponse(response, Date.now()) };
    return;
  }
  const requestId = response.headers.get("x-request-id") ?? undefined;
  for await (const data of readEvents(response.body)) {
    yield { kind: "raw", data };
    if (data === "[DONE]") {
      yield { kind: "end" };
      return;
    }
    const chunk = parseJson(data);
    const failure = failureOfEvent(chunk, requestId);
    if (failure) {
      yield { kind: "failure", failure };
      return;
    }
    yield* eventsOfChunk(chunk);
  }
  yield { kind: "failure", failure: endedEarly(requestId) };
}

function headOf(response: Response): ChatEvent {
  const header = (name: string) => response.headers.get(name) ?? undefined;
  const requestId = header("x-request-id");
  const model = header("x-behest-model");
  const provider = header("x-behest-provider");
  return {
    kind: "head",
    status: response.status,
    limits: readLimits(response.headers, Date.now()),
    ...(requestId && { requestId }),
    ...(model && { model }),
    ...(provider && { provider }),
  };
}

/** What one chunk says. Unknown fields are passed over. */
export function eventsOfChunk(chunk: Json | undefined): ChatEvent[] {
  const object = asObject(chunk);
  const events: ChatEvent[] = [];
  const choice = asObject(asArray(object?.["choices"])[0]);
  const delta = asObject(choice?.["delta"]);
  const reasoning = asString(delta?.["reasoning_content"]) ?? asString(delta?.["reasoning"]);
  if (reasoning) events.push({ kind: "reasoning", text: reasoning });
  const text = asString(delta?.["content"]) ?? asString(delta?.["refusal"]);
  if (text) events.push({ kind: "text", text });
  for (const [at, call] of asArray(delta?.["tool_calls"]).entries()) {
    events.push({ kind: "tool", piece: toolPiece(call, at) });
  }
  const reason = asString(choice?.["finish_reason"]);
  if (reason) events.push({ kind: "finish", reason });
  const usage = usageOf(object?.["usage"]);
  if (usage) events.push({ kind: "usage", usage });
  return events;
}

function toolPiece(value: Json, at: number): ToolCallPiece {
  const call = asObject(value);
  const made = asObject(call?.["function"]);
  const id = asString(call?.["id"]);
  const name = asString(made?.["name"]);
  const args = asString(made?.["arguments"]);
  return {
    index: asNumber(call?.["index"]) ?? at,
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    ...(args !== undefined && { arguments: args }),
  };
}

function endedEarly(requestId: string | undefined): Failure {
  return {
    message: "The reply ended before it was complete.",
    code: "stream_ended_early",
    status: 0,
    ...(requestId && { requestId }),
  };
}
