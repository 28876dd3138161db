// The gateway refused the token: why, and a field for a new one. What was typed stays in the composer.
import type { Failure } from "../wire/failure";
import { TokenForm } from "./TokenForm";

interface DeniedProps {
  failure: Failure;
  refusal: string | undefined;
  onOffer: (text: string) => string | undefined;
}

export function Denied({ failure, refusal, onOffer }: DeniedProps) {
  const ended = failure.code === "token_expired";
  return (
    <section class="denied" aria-label="New token needed">
      <div role="alert" data-testid="error" data-code={failure.code}>
        <strong>{ended ? "Your token has ended." : "The gateway did not accept this token."}</strong>{" "}
        {ended ? "Mint a new one and paste it here; what you wrote is kept." : failure.message}
        <p class="error-facts">
          <code>{failure.code}</code>
          {failure.requestId !== undefined && <code>{failure.requestId}</code>}
        </p>
      </div>
      <TokenForm refusal={refusal} onOffer={onOffer} />
    </section>
  );
}
