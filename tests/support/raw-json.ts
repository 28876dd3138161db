// The top-level members of a JSON object with their values as they were written, so that a test can say "not a byte changed".
// Always holds: numbers, escapes and inner spacing stay as they are; space around a member is dropped.
// Absent: validation; the input is known to be JSON.
export function rawMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = text.indexOf("{") + 1;
  while (at < text.length) {
    const keyStart = text.indexOf('"', at);
    if (keyStart < 0) break;
    const keyEnd = endOfString(text, keyStart);
    const valueStart = text.indexOf(":", keyEnd) + 1;
    const valueEnd = endOfValue(text, valueStart);
    members.set(JSON.parse(text.slice(keyStart, keyEnd)) as string, text.slice(valueStart, valueEnd).trim());
    at = valueEnd + 1;
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** The index of the `,` or `}` after the value. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const c = text[at];
    if (c === '"') at = endOfString(text, at) - 1;
    else if (c === "{" || c === "[") depth++;
    else if (depth === 0 && (c === "," || c === "}")) return at;
    else if (c === "}" || c === "]") depth--;
  }
  return text.length;
}
