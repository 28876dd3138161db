// One message. The user's words stand as typed; a reply is Markdown (or JSON, if that was asked for)
// with its tool calls, its failure if it failed, and one quiet line of facts and actions.
import { useEffect, useState } from "preact/hooks";
import { Markdown } from "../markdown/Markdown";
import { copyText } from "../ui/copy";
import { CopyButton } from "../ui/CopyButton";
import { AgainIcon } from "../ui/icons";
import { sayMeasured } from "../wire/duration";
import { parseJson } from "../wire/json";
import { ErrorCard } from "./ErrorCard";
import { memo } from "./memo";
import type { Entry, ReplyFacts } from "./message";
import { ToolCalls } from "./ToolCard";

interface MessageProps {
  entry: Entry;
  /** The calls of this reply wait for answers. */
  answerable: boolean;
  /** Nothing else is on its way. */
  idle: boolean;
  onAnswer: (key: string, results: string[]) => void;
  onRegenerate: (key: string) => void;
}

export const Message = memo(function Message(props: MessageProps) {
  const { entry } = props;
  return (
    <article
      class={`message ${entry.role}`}
      data-testid="message"
      data-role={entry.role}
      data-progress={entry.progress}
      aria-label={entry.role === "user" ? "You" : "Reply"}
      aria-busy={entry.progress === "waiting" || entry.progress === "streaming"}
    >
      {entry.role === "user" ? <div class="bubble">{entry.text}</div> : <Reply {...props} />}
    </article>
  );
});

function Reply({ entry, answerable, idle, onAnswer, onRegenerate }: MessageProps) {
  const growing = entry.progress === "waiting" || entry.progress === "streaming";
  const again = idle ? () => onRegenerate(entry.key) : undefined;
  return (
    <>
      {entry.reasoning !== "" && (
        <details class="reasoning" open={growing && entry.text === ""}>
          <summary>Thinking</summary>
          <div>{entry.reasoning}</div>
        </details>
      )}
      {entry.progress === "waiting" && <p class="waiting" aria-hidden="true"><i /><i /><i /></p>}
      {entry.text !== "" && <Markdown text={shown(entry, growing)} growing={growing} />}
      {entry.toolCalls.length > 0 && (
        <ToolCalls entry={entry} onAnswer={answerable && idle ? (results) => onAnswer(entry.key, results) : undefined} />
      )}
      {entry.progress === "cut" && <p class="cut">Stopped here.</p>}
      {entry.failure && <ErrorCard failure={entry.failure} onRetry={again} />}
      {!growing && <Facts entry={entry} onAgain={entry.failure ? undefined : again} />}
    </>
  );
}

function Facts({ entry, onAgain }: { entry: Entry; onAgain: (() => void) | undefined }) {
  const facts = factsText(entry.facts);
  return (
    <footer class="facts">
      {entry.text !== "" && <CopyButton text={entry.text} label="Copy reply" />}
      {onAgain && (
        <button type="button" class="quiet" data-testid="regenerate" aria-label="Again: regenerate this reply" onClick={onAgain}>
          <AgainIcon /> Again
        </button>
      )}
      {facts.length > 0 && (
        <span class="facts-text" data-testid="facts">
          {facts.map((fact) => <span key={fact}>{fact}</span>)}
        </span>
      )}
      {entry.facts.requestId !== undefined && !entry.failure && (
        <RequestId id={entry.facts.requestId} />
      )}
    </footer>
  );
}

function RequestId({ id }: { id: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    const timer = copied ? setTimeout(() => setCopied(false), 1600) : undefined;
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      class="quiet facts-id"
      title={`Request ${id}: copy`}
      aria-label={`Copy request id ${id}`}
      data-testid="request-id"
      onClick={() => void copyText(id).then(setCopied)}
    >
      {copied ? "Copied" : id}
    </button>
  );
}

function factsText(facts: ReplyFacts): string[] {
  const { model, provider, usage, firstTokenMs, finish } = facts;
  return [
    model !== undefined && (provider === undefined ? model : `${model} by ${provider}`),
    usage !== undefined && `${usage.output} tokens, ${usage.input} in`,
    firstTokenMs !== undefined && `first token ${sayMeasured(firstTokenMs)}`,
    finish === "length" && "cut at the token limit",
    finish === "content_filter" && "stopped by a content filter",
  ].filter((fact) => typeof fact === "string");
}

/** What Markdown gets: a reply that was asked for as JSON is a block of code. */
function shown(entry: Entry, growing: boolean): string {
  const looksJson = entry.asJson && /^\s*[[{]/.test(entry.text);
  if (!looksJson) return entry.text;
  const value = growing ? undefined : parseJson(entry.text);
  const json = value === undefined ? entry.text : JSON.stringify(value, null, 2);
  return `~~~~~~json\n${json}\n~~~~~~`;
}
