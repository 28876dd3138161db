// What is left of the limits, from the headers of the last answer: two bars, each with its numbers
// and the time of its reset. A limit the gateway has not named yet is not guessed.
import { sayCount, sayDuration } from "../wire/duration";
import type { Limit, Limits } from "../wire/limits";
import { useNow } from "./useNow";

export function Meters({ limits }: { limits: Limits }) {
  const now = useNow(limits.requests || limits.tokens ? 1000 : undefined);
  return (
    <div class="meters">
      <Meter name="Requests" testId="meter-requests" limit={limits.requests} now={now} />
      <Meter name="Tokens" testId="meter-tokens" limit={limits.tokens} now={now} />
    </div>
  );
}

function Meter({ name, testId, limit, now }: { name: string; testId: string; limit: Limit | undefined; now: number }) {
  if (!limit) {
    return (
      <div class="meter unknown" data-testid={testId} role="meter" aria-label={`${name} left`} aria-valuenow={0} aria-valuetext="not known yet">
        <span class="meter-name">{name}</span>
        <span class="track" />
        <span class="meter-count">–</span>
      </div>
    );
  }
  const share = limit.limit === 0 ? 0 : Math.min(1, limit.remaining / limit.limit);
  const count = `${sayCount(limit.remaining)} of ${sayCount(limit.limit)}`;
  const resets = resetText(limit, now);
  const state = share === 0 ? "empty" : share < 0.15 ? "low" : "";
  return (
    <div
      class={`meter ${state}`}
      data-testid={testId}
      role="meter"
      aria-label={`${name} left`}
      aria-valuemin={0}
      aria-valuemax={limit.limit}
      aria-valuenow={limit.remaining}
      aria-valuetext={`${count} left`}
      title={`${limit.remaining} of ${limit.limit} ${name.toLowerCase()} left${resets && `, ${resets}`}`}
    >
      <span class="meter-name">{name}</span>
      <span class="track">
        <span class="fill" style={{ width: `${share * 100}%` }} />
      </span>
      <span class="meter-count">{count}</span>
      {resets && <span class="meter-reset">{resets}</span>}
    </div>
  );
}

function resetText(limit: Limit, now: number): string {
  if (limit.resetsAt === undefined || limit.remaining >= limit.limit || limit.resetsAt <= now) return "";
  return `resets in ${sayDuration(limit.resetsAt - now)}`;
}
