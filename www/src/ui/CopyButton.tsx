// A button that copies a text and says that it did, to the eye and to a screen reader.
import { useEffect, useState } from "preact/hooks";
import { copyText } from "./copy";

export function CopyButton({ text, label, class: className = "quiet" }: { text: string; label: string; class?: string }) {
  const [said, setSaid] = useState<string>();
  useEffect(() => {
    if (said === undefined) return;
    const timer = setTimeout(() => setSaid(undefined), 1600);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () => void copyText(text).then((copied) => setSaid(copied ? "Copied" : "Not allowed"));
  return (
    <button type="button" class={className} aria-label={label} onClick={copy}>
      <span aria-live="polite">{said ?? "Copy"}</span>
    </button>
  );
}
