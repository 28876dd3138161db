// The side of the page: the name, a new thread, the threads, and whose token is in use. On a narrow
// screen it is a drawer over the page; while shut it cannot be reached by keyboard either.
import { useRef } from "preact/hooks";
import type { Identity } from "./session/credential";
import { IdentityCard } from "./session/Identity";
import { ThreadList } from "./threads/ThreadList";
import type { Threads } from "./threads/useThreads";
import { CloseIcon, PlusIcon } from "./ui/icons";
import { ThemeButton } from "./ui/ThemeButton";
import { useFocusReturn } from "./ui/useFocusReturn";
import { useMedia } from "./ui/useMedia";
import { Wordmark } from "./ui/Wordmark";

interface SidebarProps {
  threads: Threads;
  identity: Identity;
  currentId: string;
  drawer: boolean;
  onFresh: () => void;
  onOpen: (id: string) => void;
  onDelete: (id: string) => void;
  onEnd: () => void;
  onClose: () => void;
}

export function Sidebar(props: SidebarProps) {
  const { threads, identity, currentId, drawer, onFresh, onOpen, onDelete, onEnd, onClose } = props;
  const narrow = useMedia("(max-width: 860px)");
  const close = useRef<HTMLButtonElement>(null);
  useFocusReturn(narrow && drawer, close);
  return (
    <>
      {narrow && drawer && <div class="backdrop" onClick={onClose} />}
      <div class="sidebar" inert={narrow && !drawer}>
        <header>
          <Wordmark />
          <ThemeButton />
          {narrow && (
            <button type="button" class="icon-button" aria-label="Close the thread list" ref={close} onClick={onClose}>
              <CloseIcon />
            </button>
          )}
        </header>
        <button type="button" class="new-thread" data-testid="new-thread" aria-keyshortcuts="Control+K Meta+K" onClick={onFresh}>
          <PlusIcon /> New thread <kbd aria-hidden="true">{shortcut()}</kbd>
        </button>
        <ThreadList threads={threads} currentId={currentId} onOpen={onOpen} onDelete={onDelete} />
        <IdentityCard identity={identity} onEnd={onEnd} />
      </div>
    </>
  );
}

function shortcut(): string {
  return /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘K" : "Ctrl K";
}
