// Settings for coming requests, in a dialog. Every change counts at once; a number that is out of
// range is marked and not used.
import { useEffect, useRef, useState } from "preact/hooks";
import { CloseIcon } from "../ui/icons";
import { DEFAULTS, readMaxTokens, readTemperature, type Preferences, type Sample } from "./preferences";

interface SettingsProps {
  preferences: Preferences;
  onChange: (preferences: Preferences) => void;
  onClose: () => void;
}

const SAMPLES: { value: Sample; title: string; note: string }[] = [
  { value: "none", title: "Plain chat", note: "No tools, no schema" },
  { value: "tools", title: "Sample tools", note: "get_weather and get_time, which the model may call" },
  { value: "schema", title: "JSON schema", note: "Replies are objects with four fields about a place" },
];

export function Settings({ preferences, onChange, onClose }: SettingsProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [generation, setGeneration] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);
  const set = (change: Partial<Preferences>) => onChange({ ...preferences, ...change });
  const reset = () => {
    onChange({ ...DEFAULTS, model: preferences.model });
    setGeneration(generation + 1);
  };
  return (
    <dialog
      class="settings"
      ref={dialog}
      aria-labelledby="settings-title"
      data-testid="settings"
      onClose={onClose}
      onKeyDown={(event) => event.key === "Escape" && event.stopPropagation()}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="settings-body" key={generation}>
        <header>
          <h2 id="settings-title">Settings</h2>
          <button type="button" class="icon-button" aria-label="Close settings" onClick={() => dialog.current?.close()}>
            <CloseIcon />
          </button>
        </header>
        <label class="field">
          <span>System prompt</span>
          <textarea rows={4} value={preferences.system} placeholder="How the model should behave" onInput={(event) => set({ system: event.currentTarget.value })} />
        </label>
        <div class="field-pair">
          <NumberField label="Temperature" hint="0 to 2" value={preferences.temperature} read={readTemperature} onChange={(temperature) => set({ temperature })} />
          <NumberField label="Max tokens" hint="1 or more" value={preferences.maxTokens} read={readMaxTokens} onChange={(maxTokens) => set({ maxTokens })} />
        </div>
        <fieldset class="field">
          <legend>Samples</legend>
          {SAMPLES.map(({ value, title, note }) => (
            <label class="radio" key={value}>
              <input type="radio" name="sample" checked={preferences.sample === value} onChange={() => set({ sample: value })} />
              <span>{title}<small>{note}</small></span>
            </label>
          ))}
        </fieldset>
        <footer>
          <button type="button" class="quiet" onClick={reset}>Reset</button>
          <button type="button" class="button primary" onClick={() => dialog.current?.close()}>Done</button>
        </footer>
      </div>
    </dialog>
  );
}

interface NumberProps {
  label: string;
  hint: string;
  value: number | undefined;
  read: (text: string) => number | undefined;
  onChange: (value: number | undefined) => void;
}

function NumberField({ label, hint, value, read, onChange }: NumberProps) {
  const [text, setText] = useState(value === undefined ? "" : String(value));
  const wrong = text.trim() !== "" && read(text) === undefined;
  return (
    <label class="field">
      <span>{label}</span>
      <input
        inputMode="decimal"
        value={text}
        placeholder="Default"
        aria-invalid={wrong}
        onInput={(event) => {
          setText(event.currentTarget.value);
          onChange(read(event.currentTarget.value));
        }}
      />
      <small class={wrong ? "wrong" : ""}>{wrong ? `Not used: must be ${hint}` : hint}</small>
    </label>
  );
}
