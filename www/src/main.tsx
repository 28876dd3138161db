// The page begins here: the remembered colours, then the session, then either the way in or the
// playground.
import { render } from "preact";
import { Playground } from "./playground";
import { SignIn } from "./session/SignIn";
import { useSession } from "./session/useSession";
import { applyRememberedTheme } from "./ui/theme";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/chat.css";
import "./styles/prose.css";
import "./styles/panel.css";
import "./styles/sign-in.css";

function App() {
  const session = useSession();
  const { credential } = session;
  if (!credential) return <SignIn session={session} />;
  const { project = "", user } = credential.identity;
  return <Playground key={JSON.stringify([project, user])} session={session} credential={credential} />;
}

applyRememberedTheme();
const root = document.getElementById("root");
if (root) render(<App />, root);
