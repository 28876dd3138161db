// One thread in the list: opens on click, is renamed and deleted in place. Deleting asks once, since
// it cannot be undone. F2 renames, Delete deletes, for those who stay on the keyboard.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { PencilIcon, TrashIcon } from "../ui/icons";
import type { ListedThread } from "./list";

interface RowProps {
  thread: ListedThread;
  current: boolean;
  /** The one row that Tab reaches. */
  reachable: boolean;
  onOpen: (id: string) => void;
  onRename: (id: string, title: string) => void;
  onDelete: (id: string) => void;
}

export function ThreadRow({ thread, current, reachable, onOpen, onRename, onDelete }: RowProps) {
  const [mode, setMode] = useState<"shown" | "renaming" | "deleting">("shown");
  const row = useRef<HTMLLIElement>(null);
  const wasOpen = useRef(false);
  // Before the next key arrives.
  useLayoutEffect(() => {
    if (mode !== "shown") row.current?.querySelector<HTMLElement>("input, .danger")?.focus();
    else if (wasOpen.current) row.current?.querySelector<HTMLElement>(".thread-open")?.focus();
    wasOpen.current = mode !== "shown";
  }, [mode]);
  const title = thread.title || "Untitled";
  const shown = () => setMode("shown");

  return (
    <li class={`thread ${current ? "current" : ""}`} ref={row}>
      {mode === "renaming" && <RenameField title={thread.title} onDone={shown} onRename={(to) => onRename(thread.id, to)} />}
      {mode === "deleting" && (
        <div class="thread-confirm" role="group" aria-label={`Delete ${title}?`} onKeyDown={(event) => escape(event, shown)}>
          <span>Delete for good?</span>
          <button type="button" class="danger" onClick={() => onDelete(thread.id)}>Delete</button>
          <button type="button" onClick={shown}>Keep</button>
        </div>
      )}
      {mode === "shown" && (
        <>
          <button
            type="button"
            class="thread-open"
            data-testid="thread-item"
            data-thread-id={thread.id}
            aria-current={current ? "true" : undefined}
            tabIndex={reachable ? 0 : -1}
            title={title}
            onClick={() => onOpen(thread.id)}
            onKeyDown={(event) => {
              if (event.key === "F2") setMode("renaming");
              if (event.key === "Delete") setMode("deleting");
            }}
          >
            {title}
          </button>
          <span class="thread-actions">
            <button type="button" class="icon-button small" aria-label={`Rename ${title}`} data-testid="thread-rename" onClick={() => setMode("renaming")}>
              <PencilIcon />
            </button>
            <button type="button" class="icon-button small" aria-label={`Delete ${title}`} data-testid="thread-delete" onClick={() => setMode("deleting")}>
              <TrashIcon />
            </button>
          </span>
        </>
      )}
    </li>
  );
}

function RenameField({ title, onDone, onRename }: { title: string; onDone: () => void; onRename: (title: string) => void }) {
  const [text, setText] = useState(title);
  const done = useRef(false);
  const finish = (keep: boolean) => {
    // Enter unmounts the field, which blurs it: only the first of the two counts.
    if (done.current) return;
    done.current = true;
    const trimmed = text.trim();
    if (keep && trimmed !== "" && trimmed !== title) onRename(trimmed);
    onDone();
  };
  return (
    <input
      class="thread-rename"
      aria-label="Thread title"
      value={text}
      maxLength={200}
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={() => finish(true)}
      onFocus={(event) => event.currentTarget.select()}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !event.isComposing) finish(true);
        escape(event, () => finish(false));
      }}
    />
  );
}

function escape(event: KeyboardEvent, then: () => void): void {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  then();
}
