// A conversation in a thread, driven from the client's side and watched from the provider's.
// Always holds: the fake provider answers each call with a text of its own (`r1`, `r2`, …), so that any mix-up shows.
// Absent: expectations.
import { type Answer, type Json, Project, type User } from "./project.ts";
import { reply } from "./script.ts";
import { readStream } from "./sse.ts";
import { Upstream } from "./upstream.ts";

/** `user: hi` for a message; tests compare lists of these. */
export const told = (messages: Json[]): string[] => messages.map((one) => `${one.role}: ${typeof one.content === "string" ? one.content : JSON.stringify(one.content)}`);
export const says = (text: string): Json => {
  const [role, content] = text.split(/: (.*)/s);
  return { role, content };
};

export class Conversation {
  private constructor(readonly project: Project, readonly upstream: Upstream, readonly user: User, readonly thread: string) {}

  static async start(settings: Json = {}, thread = `t-${crypto.randomUUID()}`): Promise<Conversation> {
    const upstream = await Upstream.start((exchange, nth) => reply(exchange.body, `r${nth}`));
    const project = await Project.create({ settings, providers: { main: upstream.url } });
    return new Conversation(project, upstream, await project.user(), thread);
  }

  /** Sends `user: …` lines with the thread's id; resolves when the whole reply has arrived. */
  async send(lines: string[], streaming = false): Promise<string> {
    const response = await this.user.open({ model: "m", stream: streaming, messages: lines.map(says) }, { headers: { "x-thread-id": this.thread } });
    if (response.status !== 200) throw new Error(`chat answered ${response.status}: ${await response.text()}`);
    if (streaming) return (await readStream(response)).text;
    return ((await response.json()) as Json).choices[0].message.content;
  }

  /** What the provider was sent last. */
  seen(): string[] {
    return told(this.upstream.last.body.messages);
  }

  get(path = ""): Promise<Answer> {
    return this.user.get(`/v1/threads/${encodeURIComponent(this.thread)}${path}`);
  }

  async stored(): Promise<string[]> {
    const answer = await this.get("/messages");
    if (answer.status !== 200) throw new Error(`messages answered ${answer.status}: ${answer.text}`);
    return told(answer.json);
  }
}
