// Growing Markdown, cut into blocks: those that can no longer change are cut off once, so each step
// costs only the text after them. Always holds: the blocks joined are the text. While text grows, its
// last block is never settled, since more text may still belong to it.

export interface Growing {
  /** Blocks that are settled. */
  settled: readonly string[];
  /** How many characters they hold. */
  length: number;
  /** The text after them. */
  tail: string;
}

export const NOTHING: Growing = { settled: [], length: 0, tail: "" };

/** Takes the whole text so far. `cut` names the blocks of a text; joined they are that text. */
export function grow(before: Growing, text: string, cut: (text: string) => string[]): Growing {
  const settledText = before.settled.join("");
  const start = text.startsWith(settledText) ? before : NOTHING;
  const rest = text.slice(start.length);
  const blocks = cut(rest);
  // Whitespace behind a block may turn into its continuation: the last block with words stays open.
  const open = blocks.findLastIndex((block) => block.trim() !== "");
  const closed = blocks.slice(0, Math.max(0, open));
  const length = closed.join("").length;
  // A cutter that changes what it cuts (line ends, for one) would shift everything behind.
  if (!rest.startsWith(closed.join(""))) return { ...start, tail: rest };
  return {
    settled: closed.length === 0 ? start.settled : [...start.settled, ...closed],
    length: start.length + length,
    tail: rest.slice(length),
  };
}
