// A failure where it happened: what the gateway said, its code, the request id to quote, and the one
// next step. Counts down to the moment from which trying again makes sense.
import { CopyButton } from "../ui/CopyButton";
import { useNow } from "../ui/useNow";
import { sayDuration } from "../wire/duration";
import type { Failure } from "../wire/failure";

export function ErrorCard({ failure, onRetry }: { failure: Failure; onRetry?: (() => void) | undefined }) {
  const waits = failure.retryAt !== undefined || failure.resetsAt !== undefined;
  const now = useNow(waits ? 500 : undefined);
  const left = failure.retryAt === undefined ? 0 : failure.retryAt - now;
  return (
    <div class="error-card" role="alert" data-testid="error" data-code={failure.code}>
      <p class="error-message">{failure.message}</p>
      {failure.resetsAt !== undefined && <p class="error-note">{resetNote(failure.resetsAt, now)}</p>}
      <p class="error-facts">
        <code>{failure.code}</code>
        {failure.status > 0 && <span>HTTP {failure.status}</span>}
        {failure.param !== undefined && <span>field <code>{failure.param}</code></span>}
        {failure.requestId !== undefined && (
          <span class="error-request">
            <code>{failure.requestId}</code>
            <CopyButton text={failure.requestId} label="Copy request id" />
          </span>
        )}
      </p>
      {onRetry && (
        <button type="button" class="button" data-testid="retry" disabled={left > 0} onClick={onRetry}>
          {left > 0 ? `Try again in ${sayDuration(left)}` : "Try again"}
        </button>
      )}
    </div>
  );
}

function resetNote(resetsAt: number, now: number): string {
  if (resetsAt <= now) return "The limit has been reset since.";
  const date = new Date(resetsAt);
  const soon = resetsAt - now < 20 * 3_600_000;
  const when = date.toLocaleString(undefined, soon ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
  return `Resets at ${when}, in ${sayDuration(resetsAt - now)}.`;
}
