// The messages of a thread. Follows a growing reply as long as the reader is at its end, and offers
// the way back otherwise. One quiet line tells screen readers when a reply starts and what it said,
// once, instead of reading every piece.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { DownIcon } from "../ui/icons";
import { ErrorCard } from "./ErrorCard";
import { Message } from "./Message";
import type { Entry } from "./message";
import type { Sample } from "./preferences";
import { pendingCalls } from "./state";
import type { Chat } from "./useChat";
import { Welcome } from "./Welcome";

interface TranscriptProps {
  chat: Chat;
  /** The demo provider answers here. */
  demo: boolean;
  onTry: (words: string, sample: Sample) => void;
  /** A button that held the focus went away with what it started. */
  onFocusLost: () => void;
}

export function Transcript({ chat, demo, onTry, onFocusLost }: TranscriptProps) {
  const { state } = chat;
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const follows = useRef(true);
  const toEnd = () => {
    follows.current = true;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const asked = state.entries.filter((entry) => entry.role === "user").length;
  useLayoutEffect(() => void (follows.current = true), [asked, state.threadId]);
  useLayoutEffect(() => {
    if (state.entries.length > 0 && follows.current) toEnd();
  }, [state.entries]);
  const onScroll = () => {
    const view = box.current;
    if (!view) return;
    follows.current = view.scrollHeight - view.scrollTop - view.clientHeight < 60;
    setAtEnd(follows.current);
  };

  useEffect(() => {
    if (state.status === "replying" && document.activeElement === document.body) onFocusLost();
  }, [state.status]);

  const answerable = pendingCalls(state.entries)?.key;
  const empty = state.entries.length === 0 && state.status === "idle" && !state.loadFailure;
  return (
    <div class="transcript" ref={box} onScroll={onScroll}>
      <div class="column" role="log" aria-live="off" aria-label="Conversation" aria-busy={state.status === "loading"}>
        {empty && <Welcome demo={demo} onTry={onTry} />}
        {state.status === "loading" && <p class="threads-note">Opening the thread…</p>}
        {state.loadFailure && <ErrorCard failure={state.loadFailure} onRetry={() => chat.open(state.threadId)} />}
        {state.entries.map((entry) => (
          <Message
            key={entry.key}
            entry={entry}
            answerable={entry.key === answerable}
            idle={state.status === "idle"}
            onAnswer={chat.answer}
            onRegenerate={chat.regenerate}
          />
        ))}
      </div>
      {!atEnd && (
        <button type="button" class="to-end" aria-label="To the latest message" onClick={toEnd}>
          <DownIcon />
        </button>
      )}
      <Announcer last={state.entries.at(-1)} />
    </div>
  );
}

function Announcer({ last }: { last: Entry | undefined }) {
  const [said, setSaid] = useState("");
  const heard = useRef("");
  const progress = last?.progress;
  useEffect(() => {
    if (!last || last.role !== "assistant") return;
    if (progress === "waiting") {
      heard.current = last.key;
      setSaid("Replying.");
    } else if (heard.current === last.key && progress !== "streaming") {
      heard.current = "";
      setSaid(progress === "done" ? `Reply: ${last.text.slice(0, 600)}` : progress === "cut" ? "Stopped." : "");
    }
  }, [last?.key, progress]);
  return <p class="unseen" role="status">{said}</p>;
}
