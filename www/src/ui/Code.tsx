// Code in its colours, as elements.
import { useMemo } from "preact/hooks";
import { highlight } from "../markdown/highlight";

export function Code({ text, language }: { text: string; language: string }) {
  const pieces = useMemo(() => highlight(text, language), [text, language]);
  return (
    <code>
      {pieces.map((piece, at) => (piece.kind === "plain" ? piece.text : <span key={at} class={`code-${piece.kind}`}>{piece.text}</span>))}
    </code>
  );
}
