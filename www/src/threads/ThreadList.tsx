// The list of threads, by day. One tab stop; arrows, Home and End move inside it. Says plainly when
// it is empty, loading or refused.
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useNow } from "../ui/useNow";
import { groupByDay } from "./list";
import { ThreadRow } from "./ThreadRow";
import type { Threads } from "./useThreads";

interface ListProps {
  threads: Threads;
  currentId: string;
  onOpen: (id: string) => void;
  onDelete: (id: string) => void;
}

export function ThreadList({ threads, currentId, onOpen, onDelete }: ListProps) {
  const { items, loading, failure } = threads;
  const list = useRef<HTMLElement>(null);
  const count = useRef(items.length);
  const minute = useNow(60_000);
  const reachable = items.some((thread) => thread.id === currentId) ? currentId : items[0]?.id;

  useEffect(() => {
    // A deleted row takes the focus with it: give it to the row that is now first in line.
    if (items.length < count.current && document.activeElement === document.body) openButtons(list.current)[0]?.focus();
    count.current = items.length;
  }, [items.length]);

  return (
    <nav class="threads" aria-label="Threads" data-testid="thread-list" ref={list} onKeyDown={moveFocus}>
      {groupByDay(items, minute).map((group) => (
        <section key={group.name} aria-label={group.name}>
          <h2>{group.name}</h2>
          <ul>
            {group.threads.map((thread) => (
              <ThreadRow
                key={thread.id}
                thread={thread}
                current={thread.id === currentId}
                reachable={thread.id === reachable}
                onOpen={onOpen}
                onRename={threads.rename}
                onDelete={onDelete}
              />
            ))}
          </ul>
        </section>
      ))}
      {items.length === 0 && !loading && !failure && <p class="threads-note">Your threads will be listed here.</p>}
      {items.length === 0 && loading && <p class="threads-note">Loading…</p>}
      {failure && (
        <p class="threads-note" role="alert">
          {failure.message} <button type="button" class="link" onClick={threads.reload}>Try again</button>
        </p>
      )}
      {threads.more && (
        <button type="button" class="threads-more" disabled={loading} onClick={threads.more}>
          {loading ? "Loading…" : "Older threads"}
        </button>
      )}
    </nav>
  );
}

function openButtons(list: HTMLElement | null): HTMLElement[] {
  return [...(list?.querySelectorAll<HTMLElement>(".thread-open") ?? [])];
}

function moveFocus(event: TargetedKeyboardEvent<HTMLElement>): void {
  if (event.target instanceof HTMLInputElement) return;
  const buttons = openButtons(event.currentTarget);
  const at = buttons.findIndex((button) => button === document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined || buttons.length === 0) return;
  event.preventDefault();
  buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus();
}
