// Markdown → HTML that is safe to insert. Raw HTML in a reply is shown as text, images become links
// (a reply must not make the browser call other hosts), links open elsewhere without a referrer; and
// DOMPurify has the last word. Absent: mathematics, footnotes.
import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";
import { highlight } from "./highlight";

const ADDRESS = /^(?:https?:|mailto:)/i;

const marked = new Marked({
  gfm: true,
  async: false,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escapeHtml(text),
    image: ({ href, text }: Tokens.Image) => link(href, text || href),
    link(token: Tokens.Link): string {
      return link(token.href, this.parser.parseInline(token.tokens), true);
    },
    code: ({ text, lang }: Tokens.Code) => codeBlock(text, lang),
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
  },
});

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote"],
    ...["ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "span", "button", "div"],
  ],
  ALLOWED_ATTR: ["href", "target", "rel", "class", "start", "align", "type", "tabindex", "data-copy", "aria-label"],
  ALLOWED_URI_REGEXP: ADDRESS,
  // DOMPurify holds every other attribute to the rule for addresses.
  ADD_URI_SAFE_ATTR: ["target", "rel", "start", "align", "type", "tabindex"],
};

/** The blocks of a text, each to be rendered by itself. */
export function blocksOf(text: string): string[] {
  return marked.lexer(text).map((token) => token.raw);
}

export function renderMarkdown(text: string): string {
  return DOMPurify.sanitize(marked.parse(text, { async: false }), ALLOWED);
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function link(href: string, text: string, isHtml = false): string {
  const shown = isHtml ? text : escapeHtml(text);
  if (!ADDRESS.test(href)) return shown;
  return `<a href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer nofollow">${shown}</a>`;
}

function codeBlock(text: string, lang: string | undefined): string {
  const name = /^[\w#+.-]{1,24}$/.exec(lang ?? "")?.[0] ?? "";
  return (
    `<figure class="code"><figcaption><span>${escapeHtml(name)}</span>` +
    `<button type="button" data-copy aria-label="Copy code">Copy</button></figcaption>` +
    `<pre tabindex="0"><code>${coloured(text, name)}</code></pre></figure>`
  );
}

function coloured(text: string, language: string): string {
  return highlight(text, language)
    .map((piece) => (piece.kind === "plain" ? escapeHtml(piece.text) : `<span class="code-${piece.kind}">${escapeHtml(piece.text)}</span>`))
    .join("");
}
