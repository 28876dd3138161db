// Where the user writes. Enter sends, Shift+Enter breaks the line; an input method's own Enter is
// left alone. While a reply arrives, sending becomes stopping and writing goes on. Grows with the text.
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { SendIcon, StopIcon } from "../ui/icons";
import type { Sample } from "./preferences";

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  text: string;
  replying: boolean;
  loading: boolean;
  sample: Sample;
  onText: (text: string) => void;
  onSend: () => void;
  onStop: () => void;
  onSampleOff: () => void;
}

const SAMPLES = { tools: "Sample tools", schema: "JSON schema" } as const;

export function Composer(props: ComposerProps) {
  const { field, text, replying, loading, sample, onText, onSend, onStop } = props;
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [text, field]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (!replying && !loading) onSend();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (!replying && !loading) onSend();
      }}
    >
      {sample !== "none" && (
        <div class="chips">
          <button type="button" class="chip" data-testid="sample-off" aria-label={`${SAMPLES[sample]}: switch off`} onClick={props.onSampleOff}>
            {SAMPLES[sample]} <span aria-hidden="true">×</span>
          </button>
        </div>
      )}
      <textarea
        ref={field}
        data-testid="composer"
        aria-label="Message"
        aria-describedby="composer-keys"
        rows={1}
        placeholder="Ask anything"
        enterkeyhint="send"
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="composer-bar">
        <span class="keys" id="composer-keys">
          {replying ? "Esc stops" : "Enter sends, Shift Enter breaks the line"}
        </span>
        {replying ? (
          <button type="button" class="round" data-testid="stop" aria-label="Stop" onClick={onStop}>
            <StopIcon />
          </button>
        ) : (
          <button type="submit" class="round" data-testid="send" aria-label="Send" disabled={loading || text.trim() === ""}>
            <SendIcon />
          </button>
        )}
      </div>
    </form>
  );
}
