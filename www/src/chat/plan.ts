// What a send consists of: which entries the page will show, which messages go out, in which thread.
// New words go alone, for the gateway remembers the thread. The whole list goes when the thread's end
// changes (regenerate) or when calls stay unanswered. Pure; ids are handed in.
import { isEmpty, newEntry, toolResults, wireMessages, type Entry, type WireMessage } from "./message";
import { pendingCalls, withResults, type ChatState } from "./state";

export interface Plan {
  threadId: string;
  replaces: string | undefined;
  entries: Entry[];
  messages: WireMessage[];
}

export function planSend(state: ChatState, text: string, key: string): Plan {
  const user = newEntry("user", key, text, "done");
  const waiting = pendingCalls(state.entries);
  if (!waiting) return inThread(state, [...state.entries, user], wireMessages([user]));
  const results = waiting.toolCalls.map((call) => call.result ?? '{"error":"not run"}');
  const entries = [...withResults(state.entries, waiting.key, results), user];
  return inThread(state, entries, wireMessages(entries));
}

export function planToolAnswer(state: ChatState, key: string, results: readonly string[]): Plan | undefined {
  if (pendingCalls(state.entries)?.key !== key) return undefined;
  const entries = withResults(state.entries, key, results);
  const answered = entries.at(-1);
  return answered && inThread(state, entries, toolResults(answered));
}

/**
 * Asks again for the reply with this key. The list up to it goes out, and the gateway rewinds the
 * thread. One user message alone would be taken for a new one, so then the conversation moves to a
 * new thread, which takes the old one's place as soon as it has a reply.
 */
export function planRegenerate(state: ChatState, key: string, newThreadId: string): Plan | undefined {
  const at = state.entries.findIndex((entry) => entry.key === key);
  const reply = state.entries[at];
  if (reply?.role !== "assistant") return undefined;
  const entries = state.entries.slice(0, at);
  const messages = wireMessages(entries);
  if (messages.length === 0) return undefined;
  const later = state.entries.slice(at);
  const stored = later.some((entry) => entry.role === "assistant" && !isEmpty(entry));
  if (messages.length > 1 || !stored) return inThread(state, entries, messages);
  return { threadId: newThreadId, replaces: state.replaces ?? state.threadId, entries, messages };
}

function inThread(state: ChatState, entries: Entry[], messages: WireMessage[]): Plan {
  return { threadId: state.threadId, replaces: state.replaces, entries, messages };
}
