// The screen without a token: what the page is, how to get a token from a key, and where to paste it.
import { Code } from "../ui/Code";
import { CopyButton } from "../ui/CopyButton";
import { ThemeButton } from "../ui/ThemeButton";
import { Wordmark } from "../ui/Wordmark";
import { TokenForm } from "./TokenForm";
import type { Session } from "./useSession";

export function SignIn({ session }: { session: Session }) {
  const mint = [
    `curl -X POST ${window.location.origin}/v1/auth/mint \\`,
    `  -H "Authorization: Bearer $BEHEST_KEY" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '{"user_id":"me"}'`,
  ].join("\n");
  return (
    <div class="sign-in" data-testid="sign-in">
      <header>
        <Wordmark />
        <ThemeButton />
      </header>
      <main>
        <h1>Bring a token.</h1>
        <p class="lead">
          The playground talks to the gateway as one of your users. It needs that user’s token: short-lived, limited to one
          project, safe in a browser.
        </p>
        <ol>
          <li>
            <h2>Mint one</h2>
            <p>From a terminal or your server, with the project’s API key. The key stays there.</p>
            <figure class="code">
              <figcaption><span>shell</span><CopyButton text={mint} label="Copy command" /></figcaption>
              <pre tabIndex={0}><Code text={mint} language="shell" /></pre>
            </figure>
          </li>
          <li>
            <h2>Paste its <code>token</code></h2>
            <p>It stays in this tab and is forgotten when the tab closes. A link that ends in <code>#token=…</code> brings it along.</p>
            <TokenForm refusal={session.refusal} onOffer={session.offer} autofocus />
          </li>
        </ol>
      </main>
    </div>
  );
}
