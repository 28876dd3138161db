// The keys that work wherever the focus is. Dialogs and open lists keep Escape for themselves by
// stopping it on its way here.
import { useEffect, useRef } from "preact/hooks";

export interface PageKeys {
  onNew: () => void;
  onEscape: () => void;
}

export function usePageKeys(keys: PageKeys): void {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (event.key === "Escape") now.current.onEscape();
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        now.current.onNew();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
}
