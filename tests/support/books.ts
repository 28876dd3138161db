// A fake provider that keeps books: what each request used, by the label that its last message is, and what that costs.
// Always holds: usage is a function of the label, so that every request is another sum; prices are gpt-4o's in the catalogue.
// Absent: the gateway. Nothing here knows what it counts.
import { type Script, chunk, completion, DONE, event, FINISH, stream, usageChunk, words } from "./script.ts";
import { Upstream } from "./upstream.ts";

/** Pico-dollars a token: plain, cached, output. */
const [PLAIN, CACHED, OUTPUT] = [2_500_000n, 1_250_000n, 10_000_000n];

export interface Sum {
  requests: number;
  input: number;
  output: number;
  cached: number;
  micro: number;
}

export const nothing = (): Sum => ({ requests: 0, input: 0, output: 0, cached: 0, micro: 0 });

export function add(sum: Sum, more: Sum): Sum {
  return { requests: sum.requests + more.requests, input: sum.input + more.input, output: sum.output + more.output, cached: sum.cached + more.cached, micro: sum.micro + more.micro };
}

/** A label that ends so is answered with so much text that a stream of it reports before its end. */
export const LONG = "/long";
const LONG_TEXT = Array.from({ length: 4 }, (_, n) => event(chunk({ content: String(n).repeat(700) })));

/** What a request with this label uses. */
export function used(label: string): Sum {
  let hash = 2_166_136_261;
  for (const char of label) hash = Math.imul(hash ^ char.codePointAt(0)!, 16_777_619) >>> 0;
  const [input, output] = [1 + (hash % 997), 1 + ((hash >>> 10) % 499)];
  const cached = (hash >>> 5) % 3 === 0 ? input % 61 : 0;
  return { requests: 1, input, output, cached, micro: micro(input, output, cached) };
}

/** Micro-dollars, rounded half to even. */
export function micro(input: number, output: number, cached: number): number {
  const taken = BigInt(Math.min(cached, input));
  const pico = (BigInt(input) - taken) * PLAIN + taken * CACHED + BigInt(output) * OUTPUT;
  const [whole, rest] = [pico / 1_000_000n, pico % 1_000_000n];
  const up = rest > 500_000n || (rest === 500_000n && whole % 2n === 1n);
  return Number(up ? whole + 1n : whole);
}

export class Books {
  /** Labels of requests that were answered to their end, each as often as it was. */
  readonly completed: string[] = [];

  private constructor(readonly upstream: Upstream) {}

  static async start(): Promise<Books> {
    const books: Books = new Books(await Upstream.start((exchange) => books.answer(exchange.body)));
    return books;
  }

  private answer(body: any): Script {
    const label = body.messages.at(-1).content as string;
    const { input, output, cached } = used(label);
    const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, prompt_tokens_details: { cached_tokens: cached } };
    this.completed.push(label);
    const text = [...words(`echo ${label}`), ...(label.endsWith(LONG) ? LONG_TEXT : [])];
    return body.stream ? stream([...text, FINISH, event(usageChunk(usage)), DONE]) : completion(`echo ${label}`, { usage });
  }

  /** Of all that was completed, or of the labels that `which` takes. */
  sum(which: (label: string) => boolean = () => true): Sum {
    return this.completed.filter(which).map(used).reduce(add, nothing());
  }
}
