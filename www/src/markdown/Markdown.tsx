// A Markdown text, also while it grows: settled blocks keep their DOM, only the last is drawn again.
// Once the text is complete it is rendered whole, so that references across blocks resolve.
import type { TargetedMouseEvent } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { copyText } from "../ui/copy";
import { grow, NOTHING, type Growing } from "./blocks";
import { blocksOf, renderMarkdown } from "./render";

export function Markdown({ text, growing }: { text: string; growing: boolean }) {
  return (
    <div class="prose" onClick={copyCode}>
      {growing ? <GrowingBlocks text={text} /> : <Block source={text} />}
    </div>
  );
}

function GrowingBlocks({ text }: { text: string }) {
  const known = useRef<Growing>(NOTHING);
  known.current = grow(known.current, text, blocksOf);
  const { settled, tail } = known.current;
  return (
    <>
      {settled.map((block, at) => (
        <Block key={at} source={block} />
      ))}
      <Block key={settled.length} source={tail} />
    </>
  );
}

function Block({ source }: { source: string }) {
  const html = useMemo(() => renderMarkdown(source), [source]);
  if (html.trim() === "") return null;
  return <div class="block" dangerouslySetInnerHTML={{ __html: html }} />;
}

function copyCode(event: TargetedMouseEvent<HTMLDivElement>): void {
  const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("button[data-copy]") : null;
  const code = button?.closest("figure")?.querySelector("code");
  if (!button || !code) return;
  void copyText(code.textContent ?? "").then((copied) => {
    button.textContent = copied ? "Copied" : "Press Ctrl+C";
    if (!copied) getSelection()?.selectAllChildren(code);
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
}
