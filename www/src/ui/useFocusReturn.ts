// Focus for something that opens over the page: it goes in when it opens, and back to where it was
// when it closes, unless the user has taken it elsewhere.
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

export function useFocusReturn(open: boolean, target: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    if (!open) return;
    const before = document.activeElement;
    target.current?.focus();
    return () => {
      // What held the focus may just have been removed or made inert: then nothing holds it.
      requestAnimationFrame(() => {
        const lost = document.activeElement === null || document.activeElement === document.body;
        if (lost && before instanceof HTMLElement) before.focus();
      });
    };
  }, [open, target]);
}
