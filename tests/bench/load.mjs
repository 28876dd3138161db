// Load on one subject: so many requests over so many connections, each connection a user of its own.
// Always holds: an answer that is not the complete 200 that was asked for ends the bench; a number measured on errors is worth nothing.
// Absent: what is measured meanwhile.
import { Connection } from "./http.mjs";

const DONE = "data: [DONE]\n\n";

/** Connections to one subject, kept open over all measurements. */
export class Clients {
  #connections;

  static async open(port, count) {
    const clients = new Clients();
    clients.#connections = await Promise.all(Array.from({ length: count }, () => Connection.open(port)));
    return clients;
  }

  close() {
    for (const connection of this.#connections) connection.close();
  }

  /** Sends `count` requests over the first `width` connections, each sending its own again and again; answers in no particular order. */
  async run(requests, count, width) {
    const answers = [];
    let left = count;
    await Promise.all(this.#connections.slice(0, width).map(async (connection, user) => {
      while (left > 0) {
        left -= 1;
        answers.push(complete(await connection.send(requests[user])));
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
