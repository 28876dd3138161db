// An empty thread: a few things to try, each of which shows something the gateway does.
import type { Sample } from "./preferences";

interface Try {
  title: string;
  words: string;
  sample: Sample;
}

const TRIES: Try[] = [
  { title: "Stream Markdown", words: "Show me a short Markdown tour: a heading, a list, a table and some code.", sample: "none" },
  { title: "Call a tool", words: "What is the weather in Oslo right now?", sample: "tools" },
  { title: "Answer in a schema", words: "Describe Lisbon.", sample: "schema" },
];

const REMEMBER: Try = { title: "Remember", words: "My favourite colour is green. What did I just tell you?", sample: "none" };
// The built-in demo provider lists its tricks, faults among them.
const DEMO: Try = { title: "See every trick", words: "demo:help", sample: "none" };

interface WelcomeProps {
  /** The demo provider answers here. */
  demo: boolean;
  onTry: (words: string, sample: Sample) => void;
}

export function Welcome({ demo, onTry }: WelcomeProps) {
  return (
    <div class="welcome">
      <h2>At your behest.</h2>
      <p>Write below, or try one of these. The request panel shows what is sent and received, ready to copy as code.</p>
      <ul class="tries">
        {[...TRIES, demo ? DEMO : REMEMBER].map(({ title, words, sample }) => (
          <li key={title}>
            <button type="button" onClick={() => onTry(words, sample)}>
              <strong>{title}</strong>
              <span>{words}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
