// Colours for code, quietly: comments, strings, numbers and the words most languages share. A rough
// reading by families of languages, not a parser; a language it does not know stays plain. Always
// holds: the pieces joined are the code.

export type Kind = "plain" | "comment" | "string" | "name" | "number" | "keyword";

export interface Piece {
  kind: Kind;
  text: string;
}

interface Family {
  names: string;
  comment: string;
  string: string;
  /** Numbers and keywords are coloured too. */
  words: boolean;
}

// The closing mark is optional everywhere: code that is still arriving has its colours too, and no
// opening mark makes the reader search the rest of the text in vain.
const DOUBLE = String.raw`"(?:\\[\s\S]|[^"\\\n])*"?`;
const SINGLE = String.raw`'(?:\\[\s\S]|[^'\\\n])*'?`;
const BACKTICK = "`(?:\\\\[\\s\\S]|[^`\\\\])*`?";
const END = String.raw`$(?![\s\S])`;
const SLASHES = String.raw`\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|${END})`;
const HASH = String.raw`(?<=^|\s)#[^\n]*`;
const NEVER = "(?!)";

const FAMILIES: Family[] = [
  {
    names: "js jsx mjs ts tsx javascript typescript java c cpp c++ h cs csharp go kotlin swift php dart scala",
    comment: SLASHES,
    string: [DOUBLE, SINGLE, BACKTICK].join("|"),
    words: true,
  },
  // In Rust a single quote starts a lifetime more often than a character.
  { names: "rust rs", comment: SLASHES, string: DOUBLE, words: true },
  {
    names: "python py ruby rb toml yaml yml",
    comment: HASH,
    string: [String.raw`"""[\s\S]*?(?:"""|${END})`, DOUBLE, SINGLE].join("|"),
    words: true,
  },
  // Quoted text in a shell may hold several lines.
  {
    names: "bash sh shell zsh console curl",
    comment: HASH,
    string: [String.raw`"(?:\\[\s\S]|[^"\\])*"?`, "'[^']*'?"].join("|"),
    words: true,
  },
  { names: "sql", comment: "--[^\\n]*", string: SINGLE, words: true },
  { names: "json jsonc json5", comment: NEVER, string: DOUBLE, words: true },
  { names: "http", comment: NEVER, string: DOUBLE, words: false },
];

const KEYWORDS =
  "abstract and as async await break case catch class const continue def default del defer do done elif else enum " +
  "except export extends extern false False fi final finally fn for from func function go if impl implements import in " +
  "interface is lambda let loop match mod move mut new nil None not null of or package pass private protected pub public raise " +
  "ref return self Self static struct super switch then this throw trait true True try type undefined use var void where while " +
  "with yield SELECT FROM WHERE INSERT INTO UPDATE DELETE CREATE TABLE JOIN ON GROUP ORDER BY LIMIT AND OR NOT VALUES SET AS";

const WORDS = new Set(KEYWORDS.split(" "));
// Beyond this the colours would cost more than they give.
const LONGEST = 40_000;

export function highlight(code: string, language: string): Piece[] {
  const family = FAMILIES.find(({ names }) => names.split(" ").includes(language.toLowerCase()));
  if (!family || code.length > LONGEST) return [{ kind: "plain", text: code }];
  const pattern = new RegExp(`(${family.comment})|(${family.string})|((?<![\\w.])\\d[\\w.]*)|([A-Za-z_]\\w*)`, "gm");
  const pieces: Piece[] = [];
  let at = 0;
  const plainTo = (end: number) => {
    if (end > at) pieces.push({ kind: "plain", text: code.slice(at, end) });
  };
  for (const match of code.matchAll(pattern)) {
    const kind = kindOf(match, code, family);
    if (kind === "plain") continue;
    plainTo(match.index);
    pieces.push({ kind, text: match[0] });
    at = match.index + match[0].length;
  }
  plainTo(code.length);
  return pieces;
}

function kindOf(match: RegExpMatchArray & { index: number }, code: string, family: Family): Kind {
  const [text, comment, string, number] = match;
  if (comment !== undefined) return "comment";
  if (string !== undefined) return isName(code, match.index + text.length) ? "name" : "string";
  if (!family.words) return "plain";
  // More than one dot is a version or an address.
  if (number !== undefined) return number.split(".").length > 2 ? "plain" : "number";
  return WORDS.has(text) ? "keyword" : "plain";
}

/** A string before a colon names a field. */
function isName(code: string, end: number): boolean {
  return /^\s*:/.test(code.slice(end, end + 8));
}
