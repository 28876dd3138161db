// A field to paste a token into, with the reason if it is refused. What was pasted is cleared as soon
// as it has been read, so that a key pasted by mistake does not stay on the screen.
import { useId, useState } from "preact/hooks";

interface FormProps {
  refusal: string | undefined;
  onOffer: (text: string) => string | undefined;
  autofocus?: boolean;
}

export function TokenForm({ refusal, onOffer, autofocus = false }: FormProps) {
  const [text, setText] = useState("");
  const id = useId();
  const offer = (pasted: string) => {
    onOffer(pasted);
    setText("");
  };
  return (
    <form
      class="token-form"
      onSubmit={(event) => {
        event.preventDefault();
        offer(text);
      }}
    >
      <label for={id}>User token</label>
      <div class="token-row">
        <input
          id={id}
          data-testid="token-field"
          type="password"
          autocomplete="off"
          autofocus={autofocus}
          spellcheck={false}
          placeholder="Paste a token (eyJ…)"
          value={text}
          aria-invalid={refusal !== undefined}
          aria-describedby={refusal === undefined ? undefined : `${id}-refusal`}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="button primary" data-testid="token-submit">Use token</button>
      </div>
      {refusal !== undefined && (
        <p class="refusal" role="alert" data-testid="error" id={`${id}-refusal`}>{refusal}</p>
      )}
    </form>
  );
}
