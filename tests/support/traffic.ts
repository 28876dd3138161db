// Constant traffic: so many clients, each of which asks again as soon as it is answered, until it is told to stop.
// Always holds: every answer is counted under its status, and one that is not 2xx with its text, or the error if there was no answer.
// Absent: expectations, and pauses between requests.
import type { Answer } from "./project.ts";
import { eventually } from "./upstream.ts";

export class Traffic {
  readonly counts: Record<string, number> = {};
  private answered = 0;
  private readonly running: Promise<void>[];
  private stopped = false;

  /** `ask` is one request of the n-th client. */
  constructor(clients: number, private readonly ask: (client: number) => Promise<Answer>) {
    this.running = Array.from({ length: clients }, (_, client) => this.run(client));
  }

  /** Goes on for so many more answers. */
  async more(answers: number): Promise<void> {
    const goal = this.answered + answers;
    await eventually(`${answers} more answers`, () => this.answered >= goal, 60_000);
  }

  /** What has been counted, once every client has its last answer. */
  async stop(): Promise<Record<string, number>> {
    this.stopped = true;
    await Promise.all(this.running);
    return this.counts;
  }

  private async run(client: number): Promise<void> {
    while (!this.stopped) {
      const seen = await this.ask(client).then(({ status, text }) => (status >= 200 && status < 300 ? `${status}` : `${status} ${text.slice(0, 300)}`), String);
      this.counts[seen] = (this.counts[seen] ?? 0) + 1;
      this.answered += 1;
    }
  }
}
