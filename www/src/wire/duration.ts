// Durations and moments as the gateway writes them, and as people read them. Milliseconds inside.
// Understood: `250ms`, `1s`, `6m0s`, `1h2m3.5s`, `1d`, bare seconds; epoch seconds or ISO text for
// moments. What is not understood is `undefined`, never zero.

const UNIT_MS: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `6m0s` → 360000. */
export function parseDuration(text: string | null | undefined): number | undefined {
  const trimmed = text?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  if (!/^(\d+(\.\d+)?(ms|d|h|m|s))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|d|h|m|s)/g)) {
    total += Number(count) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return total;
}

/** Epoch seconds, epoch milliseconds (13 digits) or ISO text → epoch milliseconds. */
export function parseMoment(value: unknown): number | undefined {
  if (typeof value === "string" && /^\d+(\.\d+)?$/.test(value)) return parseMoment(Number(value));
  if (typeof value === "number" && Number.isFinite(value)) return value > 1e11 ? value : value * 1000;
  if (typeof value !== "string") return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

/** How long is left, in one or two words: `now`, `8 s`, `3 min`, `5 h`, `2 days`. Seconds and minutes never say less than there is. */
export function sayDuration(ms: number): string {
  if (ms <= 0) return "now";
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(ms / 3_600_000);
  return hours < 48 ? `${hours} h` : `${Math.round(ms / 86_400_000)} days`;
}

/** A measured time: `84 ms`, `1.2 s`. */
export function sayMeasured(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Large counts, short: `640`, `12.4k`, `1M`. */
export function sayCount(count: number): string {
  if (count < 1000) return String(Math.round(count));
  if (count < 999_500) return `${trimZero(count / 1000, count < 100_000 ? 1 : 0)}k`;
  return `${trimZero(count / 1_000_000, 1)}M`;
}

function trimZero(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.0$/, "");
}
