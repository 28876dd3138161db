// The thread list, kept in step with the gateway. Changes show at once and are taken back if the
// gateway refuses them; the refusal is told. Answers that come after a new token are ignored.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { failureOfException, needsToken, type Failure } from "../wire/failure";
import type { Gateway } from "../wire/gateway";
import { renamed, touched, withFirstPage, without, withNextPage, type ListedThread } from "./list";

export interface Threads {
  items: ListedThread[];
  loading: boolean;
  more: (() => void) | undefined;
  failure: Failure | undefined;
  reload: () => void;
  touch: (id: string, firstWords: string) => void;
  rename: (id: string, title: string) => void;
  remove: (id: string) => void;
  /** `id` takes the place, and the title, of `old`. */
  replace: (old: string, id: string) => void;
}

export function useThreads(gateway: Gateway, onDenied: (failure: Failure) => void): Threads {
  const [items, setItems] = useState<ListedThread[]>([]);
  const [next, setNext] = useState<string>();
  const [loading, setLoading] = useState(true);
  const [failure, setFailure] = useState<Failure>();
  const now = useRef({ items, gateway, onDenied });
  now.current = { items, gateway, onDenied };

  const refused = useCallback((error: unknown) => {
    const failure = failureOfException(error);
    if (needsToken(failure)) now.current.onDenied(failure);
    else setFailure(failure);
  }, []);

  const load = useCallback(async (url?: string) => {
    const asked = now.current.gateway;
    setLoading(true);
    try {
      const page = await asked.threads(url);
      if (asked !== now.current.gateway) return;
      setItems((known) => (url === undefined ? withFirstPage(known, page) : withNextPage(known, page)));
      setNext(page.next);
      setFailure(undefined);
    } catch (error) {
      if (asked === now.current.gateway) refused(error);
    } finally {
      if (asked === now.current.gateway) setLoading(false);
    }
  }, [refused]);

  useEffect(() => void load(), [gateway, load]);

  /** Shows a change at once, takes it back if the gateway refuses. */
  const attempt = useCallback((change: (known: ListedThread[]) => ListedThread[], ask: () => Promise<void>) => {
    const before = now.current.items;
    setItems(change);
    ask().catch((error: unknown) => {
      setItems(before);
      refused(error);
    });
  }, [refused]);

  const reload = useCallback(() => void load(), [load]);
  const touch = useCallback((id: string, firstWords: string) => setItems((known) => touched(known, id, firstWords, Date.now())), []);
  const rename = useCallback((id: string, title: string) => {
    attempt((known) => renamed(known, id, title), () => now.current.gateway.rename(id, title));
  }, [attempt]);
  const remove = useCallback((id: string) => {
    attempt((known) => without(known, id), () => now.current.gateway.remove(id));
  }, [attempt]);
  const replace = useCallback((old: string, id: string) => {
    const title = now.current.items.find((thread) => thread.id === old)?.title;
    attempt((known) => without(title ? renamed(known, id, title) : known, old), async () => {
      await now.current.gateway.remove(old);
      if (title) await now.current.gateway.rename(id, title).catch(() => undefined);
    });
  }, [attempt]);

  return useMemo(
    () => ({
      ...{ items, loading, failure, reload, touch, rename, remove, replace },
      more: next === undefined ? undefined : () => void load(next),
    }),
    [items, loading, failure, next, load, reload, touch, rename, remove, replace],
  );
}
