// The session: whose token the page holds. A token in the URL fragment is taken on load and when the
// fragment changes, and leaves the address bar (and so the history) before anything else happens.
// A refused credential ends nothing: the token held before stays.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { readCredential, readFragment, type Credential } from "./credential";
import { keep, recall } from "./storage";

export interface Session {
  credential: Credential | undefined;
  /** Why the last offered credential was refused. */
  refusal: string | undefined;
  /** The model named by the link that brought the token. */
  linkModel: string | undefined;
  /** Offers a credential; answers the reason if it was refused. */
  offer: (text: string) => string | undefined;
  end: () => void;
}

interface Arrival {
  credential: Credential | undefined;
  refusal: string | undefined;
  linkModel: string | undefined;
}

export function useSession(): Session {
  const [state, setState] = useState<Arrival>(arrive);

  const offer = useCallback((text: string): string | undefined => {
    const reading = readCredential(text);
    if (!reading.ok) {
      setState((before) => ({ ...before, refusal: reading.reason }));
      return reading.reason;
    }
    keep("tab", "token", reading.credential.token);
    setState((before) => ({ ...before, credential: reading.credential, refusal: undefined }));
    return undefined;
  }, []);

  const end = useCallback(() => {
    keep("tab", "token", undefined);
    setState({ credential: undefined, refusal: undefined, linkModel: undefined });
  }, []);

  useEffect(() => {
    const onHash = () => {
      const { token, model } = takeFragment();
      if (model !== undefined) setState((before) => ({ ...before, linkModel: model }));
      if (token !== undefined) offer(token);
    };
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  }, [offer]);

  return useMemo(() => ({ ...state, offer, end }), [state, offer, end]);
}

function arrive(): Arrival {
  const { token, model } = takeFragment();
  const stored = readCredential(recall("tab", "token") ?? "");
  const held = stored.ok ? stored.credential : undefined;
  if (token === undefined) return { credential: held, refusal: undefined, linkModel: model };
  const reading = readCredential(token);
  if (!reading.ok) return { credential: held, refusal: reading.reason, linkModel: model };
  keep("tab", "token", reading.credential.token);
  return { credential: reading.credential, refusal: undefined, linkModel: model };
}

function takeFragment() {
  const fragment = readFragment(window.location.hash);
  if (fragment.token !== undefined || fragment.model !== undefined) {
    window.history.replaceState(null, "", window.location.pathname + window.location.search);
  }
  return fragment;
}
