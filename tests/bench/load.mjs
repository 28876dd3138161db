// Load on one subject: so many requests over so many connections.
// Always holds: an answer that is not the complete 200 that was asked for ends the bench; a number measured on errors is worth nothing.
// Absent: what is measured meanwhile.
import { Connection } from "./http.mjs";

const DONE = "data: [DONE]\n\n";

/** Connections to one subject, kept open from one measurement to the next. */
export class Clients {
  #port;
  #connections = [];

  constructor(port) {
    this.#port = port;
  }

  close() {
    for (const connection of this.#connections) connection.close();
  }

  /** As many live connections. Done before a measurement's clock starts. */
  async ready(width) {
    const open = async (connection) => {
      if (connection?.fresh) return connection;
      connection?.close();
      return Connection.open(this.#port);
    };
    this.#connections = await Promise.all(Array.from({ length: Math.max(width, this.#connections.length) }, (_, user) => (user < width ? open(this.#connections[user]) : this.#connections[user])));
  }

  /** Sends `count` requests over `width` connections, the list again and again in its order; answers in no particular order. */
  async run(requests, count, width) {
    await this.ready(width);
    const answers = [];
    let sent = 0;
    await Promise.all(this.#connections.slice(0, width).map(async (connection) => {
      while (sent < count) {
        const request = requests[sent % requests.length];
        sent += 1;
        answers.push(complete(await connection.send(request)));
      }
    }));
    return answers;
  }
}

function complete(answer) {
  const whole = answer.status === 200 && (answer.body.endsWith(DONE) || answer.body.endsWith("}"));
  if (!whole) throw new Error(`a request was answered ${answer.status}:\n${answer.head}\n\n${answer.body.slice(0, 600)}`);
  return answer;
}
