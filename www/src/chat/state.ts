// The chat's state and everything that can happen to it, as one pure function. Always holds: at most
// one reply is on its way and it is the last entry; a reply that failed or was stopped keeps the text
// it had; events for a reply that is no longer there change nothing.
import type { ChatEvent, ToolCallPiece } from "../wire/chat";
import type { Failure } from "../wire/failure";
import { newEntry, type Entry, type ReplyFacts, type ToolCall } from "./message";

export interface ChatState {
  threadId: string;
  /** A thread this one takes the place of, once it has a reply. */
  replaces: string | undefined;
  entries: Entry[];
  status: "idle" | "loading" | "replying";
  /** Why the thread could not be opened. */
  loadFailure: Failure | undefined;
}

export type ChatAction =
  | { type: "fresh"; threadId: string }
  | { type: "open"; threadId: string }
  | { type: "opened"; threadId: string; entries: Entry[] }
  | { type: "openFailed"; threadId: string; failure: Failure }
  | { type: "sent"; threadId: string; replaces?: string | undefined; entries: Entry[]; replyKey: string; asJson: boolean }
  | { type: "received"; replyKey: string; events: ChatEvent[]; elapsedMs: number }
  | { type: "stopped"; replyKey: string }
  | { type: "restored"; state: ChatState }
  | { type: "replaced"; threadId: string };

export function freshChat(threadId: string): ChatState {
  return { threadId, replaces: undefined, entries: [], status: "idle", loadFailure: undefined };
}

export function reduceChat(state: ChatState, action: ChatAction): ChatState {
  switch (action.type) {
    case "fresh":
      return freshChat(action.threadId);
    case "open":
      return { ...freshChat(action.threadId), status: "loading" };
    case "opened":
      return awaits(state, action.threadId) ? { ...state, status: "idle", entries: action.entries } : state;
    case "openFailed":
      return awaits(state, action.threadId) ? { ...state, status: "idle", loadFailure: action.failure } : state;
    case "sent":
      return sent(action);
    case "received":
      return received(state, action);
    case "stopped":
      return settle(state, action.replyKey, (reply) => ({ ...reply, progress: "cut" }));
    case "restored":
      return action.state;
    case "replaced":
      return state.threadId === action.threadId ? { ...state, replaces: undefined } : state;
  }
}

function awaits(state: ChatState, threadId: string): boolean {
  return state.status === "loading" && state.threadId === threadId;
}

function sent(action: Extract<ChatAction, { type: "sent" }>): ChatState {
  const reply = { ...newEntry("assistant", action.replyKey, "", "waiting"), asJson: action.asJson };
  return {
    threadId: action.threadId,
    replaces: action.replaces,
    entries: [...action.entries, reply],
    status: "replying",
    loadFailure: undefined,
  };
}

function received(state: ChatState, action: Extract<ChatAction, { type: "received" }>): ChatState {
  const last = state.entries.at(-1);
  if (last?.key !== action.replyKey) return state;
  const reply = action.events.reduce((entry, event) => applyEvent(entry, event, action.elapsedMs), last);
  const over = reply.progress === "done" || reply.progress === "failed";
  return { ...state, entries: [...state.entries.slice(0, -1), reply], status: over ? "idle" : state.status };
}

function settle(state: ChatState, replyKey: string, end: (reply: Entry) => Entry): ChatState {
  const last = state.entries.at(-1);
  if (last?.key !== replyKey || state.status !== "replying") return state;
  return { ...state, entries: [...state.entries.slice(0, -1), end(last)], status: "idle" };
}

/** One event of the stream, applied to the reply it belongs to. */
export function applyEvent(reply: Entry, event: ChatEvent, elapsedMs: number): Entry {
  switch (event.kind) {
    case "head": {
      const { requestId, model, provider } = event;
      const known = { ...(requestId && { requestId }), ...(model && { model }), ...(provider && { provider }) };
      return { ...reply, facts: { ...reply.facts, ...known } };
    }
    case "text":
      return { ...begun(reply, elapsedMs), text: reply.text + event.text };
    case "reasoning":
      return { ...begun(reply, elapsedMs), reasoning: reply.reasoning + event.text };
    case "tool":
      return { ...begun(reply, elapsedMs), toolCalls: addPiece(reply.toolCalls, event.piece) };
    case "usage":
      return { ...reply, facts: { ...reply.facts, usage: event.usage } };
    case "finish":
      return { ...reply, facts: { ...reply.facts, finish: event.reason } };
    case "failure":
      return { ...reply, progress: "failed", failure: event.failure, facts: totalled(reply.facts, elapsedMs) };
    case "end":
      return { ...reply, progress: "done", facts: totalled(reply.facts, elapsedMs) };
    case "raw":
      return reply;
  }
}

function begun(reply: Entry, elapsedMs: number): Entry {
  const facts = reply.facts.firstTokenMs === undefined ? { ...reply.facts, firstTokenMs: elapsedMs } : reply.facts;
  return { ...reply, facts, progress: "streaming" };
}

function totalled(facts: ReplyFacts, elapsedMs: number): ReplyFacts {
  return { ...facts, totalMs: elapsedMs };
}

/** Joins a piece to its call: ids and names come once, arguments come in pieces. */
export function addPiece(calls: readonly ToolCall[], piece: ToolCallPiece): ToolCall[] {
  const all = [...calls];
  // Bounded: an index made up by a broken upstream must not fill the list.
  const at = Math.min(Math.max(0, Math.trunc(piece.index)), all.length);
  const call = all[at] ?? { id: "", name: "", arguments: "" };
  all[at] = {
    ...call,
    id: call.id || (piece.id ?? ""),
    name: call.name || (piece.name ?? ""),
    arguments: call.arguments + (piece.arguments ?? ""),
  };
  return all;
}

/** The last reply, if it made tool calls that nobody has answered. */
export function pendingCalls(entries: readonly Entry[]): Entry | undefined {
  const last = entries.at(-1);
  if (!last || last.role !== "assistant" || last.progress === "waiting" || last.progress === "streaming") return undefined;
  return last.toolCalls.some((call) => call.result === undefined) ? last : undefined;
}

export function withResults(entries: readonly Entry[], key: string, results: readonly string[]): Entry[] {
  return entries.map((entry) => {
    if (entry.key !== key) return entry;
    const toolCalls = entry.toolCalls.map((call, at) => ({ ...call, result: results[at] ?? call.result ?? "" }));
    return { ...entry, toolCalls };
  });
}
