// The tool calls of a reply: each with its name, its arguments as they arrive and its answer. Calls
// that wait for an answer offer a sample one, to send as it is or to change. Nothing is run.
import { useState } from "preact/hooks";
import { Code } from "../ui/Code";
import { ToolIcon } from "../ui/icons";
import { parseJson } from "../wire/json";
import type { Entry, ToolCall } from "./message";
import { sampleResult } from "./samples";

interface CardProps {
  entry: Entry;
  /** Present if the calls wait for answers. */
  onAnswer: ((results: string[]) => void) | undefined;
}

export function ToolCalls({ entry, onAnswer }: CardProps) {
  const [drafts, setDrafts] = useState<Record<number, string>>({});
  const growing = entry.progress === "streaming" || entry.progress === "waiting";
  const draft = (call: ToolCall, at: number) => drafts[at] ?? sampleResult(call.name, call.arguments);
  const send = () => onAnswer?.(entry.toolCalls.map((call, at) => call.result ?? draft(call, at)));
  return (
    <div class="tool-calls" data-testid="tool-calls">
      {entry.toolCalls.map((call, at) => (
        <section class="tool" key={at} aria-label={`Call of ${call.name || "a tool"}`}>
          <header>
            <ToolIcon />
            <code>{call.name || "…"}</code>
            <span>{stateOf(call, growing)}</span>
          </header>
          <pre tabIndex={0}><Code text={growing ? call.arguments : pretty(call.arguments)} language="json" /></pre>
          {call.result !== undefined && <pre class="tool-result" tabIndex={0}><Code text={pretty(call.result)} language="json" /></pre>}
          {call.result === undefined && onAnswer && (
            <textarea
              aria-label={`Answer to ${call.name}`}
              rows={2}
              spellcheck={false}
              value={draft(call, at)}
              onInput={(event) => setDrafts({ ...drafts, [at]: event.currentTarget.value })}
            />
          )}
        </section>
      ))}
      {onAnswer && (
        <button type="button" class="button" data-testid="tool-answer" onClick={send}>
          {entry.toolCalls.length === 1 ? "Send this answer" : "Send these answers"}
        </button>
      )}
    </div>
  );
}

function stateOf(call: ToolCall, growing: boolean): string {
  if (call.result !== undefined) return "answered";
  return growing ? "being called" : "wants an answer";
}

function pretty(json: string): string {
  const value = parseJson(json);
  return value === undefined ? json : JSON.stringify(value, null, 2);
}
