// The time, for things that count down. Ticks only while something needs it, and never faster than
// asked, so an idle page does nothing.
import { useEffect, useState } from "preact/hooks";

/** Epoch milliseconds, renewed every `everyMs`; `undefined` stands still. */
export function useNow(everyMs: number | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (everyMs === undefined) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
