// The panel that shows the exchange: the request as it went (or, before any, as it would go), the
// answer's events, and the same request as curl, JavaScript and Python. The token appears by name only.
import { useRef, useState } from "preact/hooks";
import { Code } from "../ui/Code";
import { CopyButton } from "../ui/CopyButton";
import { CloseIcon } from "../ui/icons";
import { Tabs } from "../ui/Tabs";
import { useFocusReturn } from "../ui/useFocusReturn";
import { useMedia } from "../ui/useMedia";
import { snippet, type Language } from "./snippets";
import { traceText, type Exchange, type Trace } from "./trace";

/** Where the panel has no column of its own (see layout.css). */
export const PANEL_LIES_OVER = "(max-width: 1180px)";

type View = Language | "response";

const VIEWS: readonly { name: View; title: string }[] = [
  { name: "http", title: "Request" },
  { name: "response", title: "Response" },
  { name: "curl", title: "curl" },
  { name: "javascript", title: "JavaScript" },
  { name: "python", title: "Python" },
];

interface PanelProps {
  trace: Trace | undefined;
  /** What Enter would send now. */
  coming: Exchange;
  onClose: () => void;
}

export function RequestPanel({ trace, coming, onClose }: PanelProps) {
  const [view, setView] = useState<View>("http");
  const over = useMedia(PANEL_LIES_OVER);
  const close = useRef<HTMLButtonElement>(null);
  useFocusReturn(over, close);
  const exchange = trace?.exchange ?? coming;
  const text = view === "response" ? responseText(trace) : snippet(view, window.location.origin, exchange);
  return (
    <aside class="panel" aria-label="Request" data-testid="panel" id="panel">
      <header>
        <h2>Request</h2>
        <span class="panel-note">{noteOf(trace)}</span>
        <CopyButton text={text} label="Copy what is shown" />
        <button type="button" class="icon-button" aria-label="Close the request panel" ref={close} onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <Tabs label="Form of the request" tabs={VIEWS} chosen={view} onChoose={setView} />
      <div class="panel-body" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${view}`}>
        <pre tabIndex={0} data-testid="panel-text">
          <Code text={text} language={view === "response" ? "http" : view} />
        </pre>
      </div>
      <p class="panel-foot">
        <code>$BEHEST_TOKEN</code> stands for your user token, which is never shown here.
      </p>
    </aside>
  );
}

function noteOf(trace: Trace | undefined): string {
  if (!trace) return "as Enter would send it";
  return trace.status === undefined ? "on its way" : `answered ${trace.status}`;
}

function responseText(trace: Trace | undefined): string {
  if (!trace) return "Nothing has been sent yet.";
  const head = [
    trace.status === undefined ? "Waiting for the answer…" : `HTTP ${trace.status}`,
    trace.requestId !== undefined && `x-request-id: ${trace.requestId}`,
  ];
  const failure = trace.failure && trace.failure.status > 0 ? JSON.stringify(trace.failure, null, 2) : "";
  return [head.filter(Boolean).join("\n"), traceText(trace), failure].filter(Boolean).join("\n\n");
}
