// The model: any name may be typed, known names are offered. Empty means the project's default.
// A combobox as ARIA describes it: the focus stays in the field, arrows move through the list, Enter
// takes, Escape puts back what was there.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Model } from "../wire/gateway";

interface PickerProps {
  model: string;
  models: Model[];
  onChange: (model: string) => void;
}

export function ModelPicker({ model, models, onChange }: PickerProps) {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState<string>();
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const options = useMemo(() => offered(models, text), [models, text]);

  useEffect(() => list.current?.children[active]?.scrollIntoView({ block: "nearest" }), [active]);

  const close = () => {
    setOpen(false);
    setText(undefined);
    setActive(-1);
  };
  const take = (name: string) => {
    onChange(name.trim());
    close();
  };
  const move = (by: number) => {
    setOpen(true);
    setActive((at) => Math.min(Math.max(at + by, 0), options.length - 1));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter") {
      take(options[active]?.id ?? text ?? model);
      input.current?.select();
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else return;
    event.preventDefault();
  };

  return (
    <div class="picker">
      <input
        ref={input}
        class="picker-input"
        data-testid="model-picker"
        role="combobox"
        aria-label="Model"
        aria-expanded={open}
        aria-controls="model-options"
        aria-autocomplete="list"
        aria-activedescendant={open && options[active] ? `model-option-${active}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder="Default model"
        value={text ?? model}
        onFocus={(event) => {
          event.currentTarget.select();
          setOpen(true);
        }}
        onClick={() => setOpen(true)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
          setActive(-1);
        }}
        onBlur={() => (text === undefined ? close() : take(text))}
        onKeyDown={onKeyDown}
      />
      {open && (
        <ul class="picker-list" id="model-options" role="listbox" aria-label="Models" ref={list}>
          {options.map((option, at) => (
            <li
              key={option.id}
              id={`model-option-${at}`}
              role="option"
              aria-selected={option.id === model}
              class={at === active ? "active" : ""}
              onPointerDown={(event) => {
                // Before the field's blur, which would take the half-typed text.
                event.preventDefault();
                take(option.id);
                input.current?.blur();
              }}
            >
              <span>{option.id || "Default model"}</span>
              <small>{option.owner}</small>
            </li>
          ))}
          {options.length === 0 && <li class="picker-note" role="presentation">Enter uses “{text}” as it is.</li>}
        </ul>
      )}
    </div>
  );
}

function offered(models: Model[], text: string | undefined): Model[] {
  const all = [{ id: "", owner: "set by the project" }, ...models.filter((model) => model.id !== "")];
  const wanted = text?.trim().toLowerCase() ?? "";
  return wanted === "" ? all : all.filter((model) => model.id.toLowerCase().includes(wanted));
}
