// Server-sent events: text in any pieces → the data of each event. The same text split anywhere
// gives the same events; LF, CRLF and CR end a line, comments vanish, `data:` lines join with LF.
// An event without its blank line is dropped, as the standard says. Absent: `event:`, `id:`, `retry:`.

export class SseDecoder {
  private line = "";
  private data: string[] = [];
  private afterCr = false;
  private atStart = true;

  /** Takes the next piece of text; returns the data of the events it completed. */
  push(piece: string): string[] {
    let text = piece;
    if (this.atStart && text.length > 0) {
      this.atStart = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    const events: string[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at += 1) {
      const char = text[at];
      if (char === "\n" && this.afterCr && at === from) {
        this.afterCr = false;
        from = at + 1;
        continue;
      }
      if (char !== "\n" && char !== "\r") {
        this.afterCr = false;
        continue;
      }
      this.endLine(this.line + text.slice(from, at), events);
      this.line = "";
      this.afterCr = char === "\r";
      from = at + 1;
    }
    this.line += text.slice(from);
    return events;
  }

  private endLine(line: string, events: string[]): void {
    if (line === "") {
      if (this.data.length > 0) events.push(this.data.join("\n"));
      this.data = [];
      return;
    }
    if (line === "data") this.data.push("");
    else if (line.startsWith("data:")) this.data.push(line.slice(line[5] === " " ? 6 : 5));
  }
}

/** Reads a body to its end, event by event; characters split between two chunks stay whole. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  const decoder = new SseDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* decoder.push(text.decode(value, { stream: true }));
    }
  } finally {
    // Leaving early (stop, error) must also end the request itself.
    await reader.cancel().catch(() => undefined);
  }
}
