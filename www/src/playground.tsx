// The playground for one user: threads on the left, the conversation, the request on the right. Holds
// what these share (preferences, limits, the draft) and the page's keys: Escape stops, Ctrl or Cmd+K
// starts a thread. Rendered anew for another user, so nothing of one shows to the next.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { chatBody } from "./chat/body";
import { Composer } from "./chat/Composer";
import { keepPreferences, recallPreferences, type Preferences, type Sample } from "./chat/preferences";
import { Settings } from "./chat/Settings";
import { Transcript } from "./chat/Transcript";
import { useChat } from "./chat/useChat";
import { PANEL_LIES_OVER, RequestPanel } from "./request/RequestPanel";
import type { Credential } from "./session/credential";
import { Denied } from "./session/Denied";
import { keep, recall } from "./session/storage";
import type { Session } from "./session/useSession";
import { Sidebar } from "./sidebar";
import { useThreads } from "./threads/useThreads";
import { TopBar } from "./topbar";
import { Meters } from "./ui/Meters";
import { useModels } from "./ui/useModels";
import { usePageKeys } from "./ui/usePageKeys";
import type { Failure } from "./wire/failure";
import { Gateway } from "./wire/gateway";
import type { Limits } from "./wire/limits";

export function Playground({ session, credential }: { session: Session; credential: Credential }) {
  const { token, identity } = credential;
  const field = useRef<HTMLTextAreaElement>(null);
  const [preferences, setPreferences] = usePreferences(session.linkModel);
  const [limits, setLimits] = useState<Limits>({});
  const [draft, setDraft] = useDraft(JSON.stringify([identity.project, identity.user]));
  const [denied, setDenied] = useState<Failure>();
  const [drawer, setDrawer] = useState(false);
  const [panel, setPanel] = useState(() => recall("browser", "panel") === "open" && !window.matchMedia(PANEL_LIES_OVER).matches);
  const [settings, setSettings] = useState(false);

  const onLimits = useCallback((news: Limits) => setLimits((known) => ({ ...known, ...news })), []);
  const gateway = useMemo(() => new Gateway(token, onLimits), [token, onLimits]);
  useEffect(() => setDenied(undefined), [token]);

  const onDenied = useCallback((failure: Failure, words?: string) => {
    setDenied(failure);
    // Put back in front of whatever was typed since.
    if (words !== undefined) setDraft((since) => (since.trim() === "" ? words : `${words}\n${since}`));
  }, [setDraft]);
  const threads = useThreads(gateway, onDenied);
  const models = useModels(gateway);
  const chat = useChat({
    ...{ token, gateway, preferences, onLimits, onDenied, onStarted: threads.touch },
    onSettled: (threadId, replaced) => {
      if (replaced !== undefined) threads.replace(replaced, threadId);
      else threads.reload();
    },
  });
  const { state } = chat;
  const replying = state.status === "replying";

  // On a touch screen the keyboard would cover the page.
  const focusField = () => {
    if (window.matchMedia("(hover: hover)").matches) field.current?.focus();
  };
  useEffect(focusField, []);
  const send = (words = draft, sample?: Sample) => {
    if (replying || words.trim() === "") return;
    const chosen = sample === undefined ? preferences : { ...preferences, sample };
    if (chosen !== preferences) setPreferences(chosen);
    if (words === draft) setDraft("");
    setDenied(undefined);
    chat.send(words, chosen);
    focusField();
  };
  const fresh = () => {
    chat.fresh();
    setDrawer(false);
    focusField();
  };
  const stop = () => {
    chat.stop();
    focusField();
  };
  const remove = (id: string) => {
    threads.remove(id);
    if (id === state.threadId) chat.fresh();
  };
  const togglePanel = () => {
    keep("browser", "panel", panel ? "" : "open");
    setPanel(!panel);
  };
  usePageKeys({
    onNew: fresh,
    onEscape: () => {
      if (drawer) setDrawer(false);
      else if (replying) stop();
      else if (panel && window.matchMedia(PANEL_LIES_OVER).matches) togglePanel();
    },
  });

  const coming = { threadId: state.threadId, body: chatBody([{ role: "user", content: draft || "Hello!" }], preferences) };
  const title = threads.items.find((thread) => thread.id === state.threadId)?.title;
  return (
    <div class={`page ${panel ? "with-panel" : ""} ${drawer ? "with-drawer" : ""}`}>
      <Sidebar
        {...{ threads, identity, drawer }}
        currentId={state.threadId}
        onFresh={fresh}
        onOpen={(id) => {
          setDrawer(false);
          if (id !== state.threadId || state.loadFailure) chat.open(id);
        }}
        onDelete={remove}
        onEnd={session.end}
        onClose={() => setDrawer(false)}
      />
      <main class="main">
        <TopBar
          {...{ title, models, preferences, panel }}
          onModel={(model) => setPreferences({ ...preferences, model })}
          onMenu={() => setDrawer(true)}
          onSettings={() => setSettings(true)}
          onPanel={togglePanel}
        />
        <Transcript chat={chat} demo={models.some((model) => model.id === "demo-1")} onTry={send} onFocusLost={focusField} />
        <div class="dock">
          <div class="column">
            {denied && <Denied failure={denied} refusal={session.refusal} onOffer={session.offer} />}
            {!denied && session.refusal !== undefined && (
              <p class="refusal" role="alert" data-testid="error">{session.refusal}</p>
            )}
            <Composer
              {...{ field, replying }}
              text={draft}
              loading={state.status === "loading"}
              sample={preferences.sample}
              onText={setDraft}
              onSend={() => send()}
              onStop={stop}
              onSampleOff={() => setPreferences({ ...preferences, sample: "none" })}
            />
            <Meters limits={limits} />
          </div>
        </div>
      </main>
      {panel && <RequestPanel trace={chat.trace} coming={coming} onClose={togglePanel} />}
      {settings && <Settings preferences={preferences} onChange={setPreferences} onClose={() => setSettings(false)} />}
    </div>
  );
}

function usePreferences(linkModel: string | undefined): [Preferences, (preferences: Preferences) => void] {
  const [preferences, set] = useState<Preferences>(() => {
    const kept = recallPreferences();
    return linkModel === undefined ? kept : { ...kept, model: linkModel };
  });
  useLayoutEffect(() => keepPreferences(preferences), [preferences]);
  useEffect(() => {
    if (linkModel !== undefined) set((known) => ({ ...known, model: linkModel }));
  }, [linkModel]);
  return [preferences, set];
}

/** Survives a reload and a new token, but is never shown to another user. */
function useDraft(owner: string) {
  const name = `draft ${owner}`;
  const [draft, setDraft] = useState(() => recall("tab", name) ?? "");
  useLayoutEffect(() => keep("tab", name, draft), [name, draft]);
  return [draft, setDraft] as const;
}
