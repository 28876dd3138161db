// What the scripts print: steps with their times, plain words for failures.
// Always holds: colour and a moving line only on a terminal (and never with NO_COLOR); elsewhere a long step says every 15 seconds
// that it is alive. A `Problem` is a failure the reader can act on and is shown without a stack.
// Absent: decisions about what to run.
const terminal = process.stdout.isTTY === true;
const coloured = terminal && !process.env.NO_COLOR && process.env.TERM !== "dumb";
const paint = (code) => (text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : String(text));

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);
export const cyan = paint(36);

const BEAT_MS = terminal ? 100 : 15_000;
const FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** Something is wrong that the reader can mend; the message says how. */
export class Problem extends Error {}

export const say = (text = "") => process.stdout.write(`${text}\n`);
export const warn = (text) => say(`${yellow("!")} ${text}`);

export function duration(ms) {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Runs `work(progress)` under a title with its time; `expect` says beforehand how long it takes. */
export async function step(title, work, expect) {
  const began = Date.now();
  let detail = "";
  let frame = 0;
  if (!terminal) say(`- ${title}${expect ? ` (${expect})` : ""}`);
  const beat = setInterval(() => {
    const line = `${title}  ${duration(Date.now() - began)}${detail ? `  ${detail}` : expect ? `  (${expect})` : ""}`;
    if (terminal) process.stdout.write(`\r\u001b[2K${cyan(FRAMES[(frame += 1) % FRAMES.length])} ${line.slice(0, (process.stdout.columns ?? 100) - 3)}`);
    else say(`  ${line}`);
  }, BEAT_MS);
  const close = (mark) => {
    clearInterval(beat);
    say(`${terminal ? "\r\u001b[2K" : ""}${mark} ${title}  ${dim(duration(Date.now() - began))}`);
  };
  try {
    const result = await work((text) => { detail = text; });
    close(green("✓"));
    return result;
  } catch (error) {
    close(red("✗"));
    throw error;
  }
}

/** The outermost catch of a script: prints, sets the exit status. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`\n${red("Error:")} ${error instanceof Problem ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  }
}
