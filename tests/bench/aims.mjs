// What the gateway aims at, beside what was measured. An aim that is missed is shown, never an error: the machine decides much of it.
// Always holds: every aim of the project's speed section is here once.
// Absent: measuring.
export const AIMS = {
  unmeteredRatio: 2,
  gatewayRatio: 5,
  eventMicros: 100,
  /** What a translated dialect may cost, over OpenAI's. */
  dialectRatio: 1.5,
  unmeteredFirstByteMs: 1.5,
  gatewayFirstByteMs: 2.5,
  wasmBytes: 2_000_000,
  coldStartMs: 60,
  objectCalls: 2,
  rowsWritten: 3,
  kvReads: 0,
  admissionsPerSecond: 1_000,
};

/** As below, for what is to be no less. */
export function atLeast(value, aim, unit = "") {
  return `≥ ${aim.toLocaleString("en-US")}${unit}: ${value >= aim ? "met" : "**missed**"}`;
}

/** "≤ 2.0 ×: met" or "≤ 2.0 ×: missed". */
export function verdict(value, aim, unit = "") {
  return `≤ ${aim.toLocaleString("en-US")}${unit}: ${value <= aim ? "met" : "**missed**"}`;
}
