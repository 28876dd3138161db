// The chat as the page drives it: one reply at a time, its events applied once per frame, stopped by
// an abort. If the gateway refuses the token, everything is put back as it was before the send, and
// the words are handed back, so that nothing typed is lost. What is decided is decided in plan.ts and
// state.ts; this file only does.
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { addEvents, newTrace, type Trace } from "../request/trace";
import { FrameGate } from "../ui/frame";
import { newId } from "../ui/newId";
import { streamChat, type ChatEvent } from "../wire/chat";
import { failureOfException, needsToken, type Failure } from "../wire/failure";
import type { Gateway } from "../wire/gateway";
import type { Limits } from "../wire/limits";
import { chatBody } from "./body";
import { entriesOf } from "./message";
import { planRegenerate, planSend, planToolAnswer, type Plan } from "./plan";
import type { Preferences } from "./preferences";
import { freshChat, reduceChat, type ChatState } from "./state";

export interface ChatContext {
  token: string;
  gateway: Gateway;
  preferences: Preferences;
  onLimits: (limits: Limits) => void;
  /** The token was refused; `words` had not been taken. */
  onDenied: (failure: Failure, words: string | undefined) => void;
  /** The gateway took the message; the thread is there from now on. */
  onStarted: (threadId: string, firstWords: string) => void;
  /** The reply is over; `replaced` is the thread whose place this one took. */
  onSettled: (threadId: string, replaced: string | undefined) => void;
}

export interface Chat {
  state: ChatState;
  trace: Trace | undefined;
  send: (words: string, preferences?: Preferences) => void;
  answer: (key: string, results: string[]) => void;
  regenerate: (key: string) => void;
  stop: () => void;
  open: (threadId: string) => void;
  fresh: () => void;
}

export function useChat(context: ChatContext): Chat {
  const [state, dispatch] = useReducer(reduceChat, undefined, () => freshChat(newId()));
  const [trace, setTrace] = useState<Trace>();
  const now = useRef({ context, state });
  now.current = { context, state };
  const running = useRef<AbortController | undefined>(undefined);

  const run = useCallback(async (plan: Plan, words?: string, chosen?: Preferences) => {
    const { context, state: before } = now.current;
    const preferences = chosen ?? context.preferences;
    const body = chatBody(plan.messages, preferences);
    const firstWords = plan.entries.find((entry) => entry.role === "user")?.text ?? "";
    const replyKey = newId();
    const stop = new AbortController();
    running.current = stop;
    dispatch({ type: "sent", ...plan, replyKey, asJson: preferences.sample === "schema" });
    setTrace(newTrace({ threadId: plan.threadId, body }));

    const outcome = await converse(
      { body, threadId: plan.threadId, token: context.token, signal: stop.signal },
      (events, elapsedMs) => {
        dispatch({ type: "received", replyKey, events, elapsedMs });
        setTrace((trace) => (stop.signal.aborted ? trace : traced(trace, events)));
        const head = events.find((event) => event.kind === "head");
        if (head) now.current.context.onLimits(head.limits);
        if (head?.status === 200) now.current.context.onStarted(plan.threadId, firstWords);
      },
    );
    if (running.current === stop) running.current = undefined;
    if (outcome.denied) {
      // Only if the user is still where the send began.
      if (!stop.signal.aborted) dispatch({ type: "restored", state: before });
      now.current.context.onDenied(outcome.denied, words);
      return;
    }
    if (stop.signal.aborted) dispatch({ type: "stopped", replyKey });
    const replaced = outcome.replied ? plan.replaces : undefined;
    if (replaced !== undefined) dispatch({ type: "replaced", threadId: plan.threadId });
    now.current.context.onSettled(plan.threadId, replaced);
  }, []);

  const stop = useCallback(() => {
    running.current?.abort();
    running.current = undefined;
  }, []);
  useEffect(() => stop, [stop]);

  const idle = () => now.current.state.status === "idle" && running.current === undefined;

  const send = useCallback((words: string, preferences?: Preferences) => {
    if (idle() && words.trim() !== "") void run(planSend(now.current.state, words, newId()), words, preferences);
  }, [run]);

  const answer = useCallback((key: string, results: string[]) => {
    const plan = idle() ? planToolAnswer(now.current.state, key, results) : undefined;
    if (plan) void run(plan);
  }, [run]);

  const regenerate = useCallback((key: string) => {
    const plan = idle() ? planRegenerate(now.current.state, key, newId()) : undefined;
    if (plan) void run(plan);
  }, [run]);

  const open = useCallback((threadId: string) => {
    stop();
    dispatch({ type: "open", threadId });
    now.current.context.gateway.messages(threadId).then(
      (stored) => dispatch({ type: "opened", threadId, entries: entriesOf(stored) }),
      (error: unknown) => {
        const failure = failureOfException(error);
        dispatch({ type: "openFailed", threadId, failure });
        if (needsToken(failure)) now.current.context.onDenied(failure, undefined);
      },
    );
  }, [stop]);

  const fresh = useCallback(() => {
    stop();
    dispatch({ type: "fresh", threadId: newId() });
  }, [stop]);

  return useMemo(
    () => ({ state, trace, send, answer, regenerate, stop, open, fresh }),
    [state, trace, send, answer, regenerate, stop, open, fresh],
  );
}

interface Outcome {
  denied: Failure | undefined;
  replied: boolean;
}

/** Runs one request; hands on its events once per frame, the first words and the end at once. */
async function converse(
  call: Parameters<typeof streamChat>[0],
  hand: (events: ChatEvent[], elapsedMs: number) => void,
): Promise<Outcome> {
  const started = performance.now();
  const outcome: Outcome = { denied: undefined, replied: false };
  let waiting: ChatEvent[] = [];
  const gate = new FrameGate(() => {
    const events = waiting;
    waiting = [];
    hand(events, performance.now() - started);
  });
  try {
    for await (const event of streamChat(call)) {
      if (event.kind === "failure" && needsToken(event.failure)) outcome.denied = event.failure;
      else waiting.push(event);
      gate.schedule();
      const says = event.kind === "text" || event.kind === "tool" || event.kind === "reasoning";
      if ((says && !outcome.replied) || event.kind === "failure" || event.kind === "end") gate.flush();
      outcome.replied ||= says;
    }
  } catch {
    // Aborted: what came before it counts.
  }
  gate.flush();
  return outcome;
}

function traced(trace: Trace | undefined, events: ChatEvent[]): Trace | undefined {
  if (!trace) return trace;
  const raw = events.flatMap((event) => (event.kind === "raw" ? [event.data] : []));
  const head = events.find((event) => event.kind === "head");
  const failed = events.find((event) => event.kind === "failure");
  const next = addEvents(trace, raw);
  return {
    ...next,
    ...(head && { status: head.status, requestId: head.requestId }),
    ...(failed && { failure: failed.failure }),
  };
}

