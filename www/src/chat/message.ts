// The words of the chat: an entry is one message as the page shows it, a WireMessage the same as the
// API takes it. Text and tool calls only; parts other than text are named, not shown.
import { parseMoment } from "../wire/duration";
import type { Failure } from "../wire/failure";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../wire/json";

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
  /** What was answered to the call; absent while it waits. */
  result?: string;
}

export interface Usage {
  input: number;
  output: number;
}

/** What is known about a reply besides its text. */
export interface ReplyFacts {
  requestId?: string;
  model?: string;
  provider?: string;
  usage?: Usage;
  /** Milliseconds from sending to the first piece of text. */
  firstTokenMs?: number;
  totalMs?: number;
  finish?: string;
}

export type Progress = "waiting" | "streaming" | "done" | "cut" | "failed";

export interface Entry {
  key: string;
  role: "user" | "assistant";
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
  progress: Progress;
  /** The reply was asked for as JSON. */
  asJson: boolean;
  facts: ReplyFacts;
  failure?: Failure;
  at?: number;
  /** A message of several parts, as it was stored. */
  parts?: Json[];
}

export interface WireMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string | Json[] | null;
  tool_calls?: { id: string; type: "function"; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

export function newEntry(role: Entry["role"], key: string, text: string, progress: Progress): Entry {
  return { key, role, text, reasoning: "", toolCalls: [], progress, asJson: false, facts: {} };
}

/**
 * Entries → messages for the API, with each tool call's result behind the message that made it.
 * Left out: a message whose reply never came, unless it is the last, for the gateway stored neither.
 */
export function wireMessages(entries: readonly Entry[]): WireMessage[] {
  const said = entries.filter((entry, at) => {
    const reply = entries[at + 1];
    return !(entry.role === "user" && reply?.role === "assistant" && isEmpty(reply));
  });
  return said.flatMap((entry): WireMessage[] => {
    if (entry.toolCalls.length === 0) {
      return entry.role === "assistant" && isEmpty(entry) ? [] : [{ role: entry.role, content: entry.parts ?? entry.text }];
    }
    const calls = entry.toolCalls.map((call) => ({
      id: call.id,
      type: "function" as const,
      function: { name: call.name, arguments: call.arguments },
    }));
    const said: WireMessage = { role: "assistant", content: entry.text || null, tool_calls: calls };
    return [said, ...toolResults(entry)];
  });
}

export function isEmpty(reply: Entry): boolean {
  return reply.text === "" && reply.toolCalls.length === 0;
}

/** One `tool` message per call; a call nobody answered says so, since providers insist on an answer. */
export function toolResults(entry: Entry): WireMessage[] {
  return entry.toolCalls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: call.result ?? '{"error":"not run"}',
  }));
}

/** Stored messages (`GET /v1/threads/{id}/messages`) → entries; results join the calls they answer. */
export function entriesOf(stored: Json | undefined): Entry[] {
  const entries: Entry[] = [];
  for (const [index, item] of asArray(stored).entries()) {
    const message = asObject(item);
    const role = asString(message?.["role"]);
    if (!message || role === undefined) continue;
    if (role === "tool") attachResult(entries, message);
    else if (role === "user" || role === "assistant") entries.push(entryOf(message, role, index));
  }
  return entries;
}

function entryOf(message: JsonObject, role: Entry["role"], index: number): Entry {
  const key = asString(message["id"]) ?? String(message["id"] ?? `stored-${index}`);
  const entry = newEntry(role, key, textOf(message["content"]), message["incomplete"] === true ? "cut" : "done");
  const model = asString(message["model"]);
  const at = parseMoment(message["created_at"]);
  return {
    ...entry,
    toolCalls: asArray(message["tool_calls"]).map(toolCallOf),
    facts: model === undefined ? {} : { model },
    ...(at !== undefined && { at }),
    ...(Array.isArray(message["content"]) && { parts: message["content"] }),
  };
}

function toolCallOf(value: Json): ToolCall {
  const call = asObject(value);
  const made = asObject(call?.["function"]);
  return {
    id: asString(call?.["id"]) ?? "",
    name: asString(made?.["name"]) ?? "",
    arguments: asString(made?.["arguments"]) ?? "",
  };
}

function attachResult(entries: Entry[], message: JsonObject): void {
  const id = asString(message["tool_call_id"]);
  const call = entries.findLast((entry) => entry.toolCalls.length > 0)?.toolCalls.find((each) => each.id === id);
  if (call) call.result = textOf(message["content"]);
}

function textOf(content: Json | undefined): string {
  if (typeof content === "string") return content;
  return asArray(content)
    .map((part) => {
      const object = asObject(part);
      return asString(object?.["text"]) ?? `[${asString(object?.["type"]) ?? "part"}]`;
    })
    .join("\n");
}

export function usageOf(value: Json | undefined): Usage | undefined {
  const usage = asObject(value);
  const input = asNumber(usage?.["prompt_tokens"]);
  const output = asNumber(usage?.["completion_tokens"]);
  return input === undefined && output === undefined ? undefined : { input: input ?? 0, output: output ?? 0 };
}
