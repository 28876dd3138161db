// Whose token this is and when it ends. Read from the token for display only; the gateway decides.
import { sayDuration } from "../wire/duration";
import { useNow } from "../ui/useNow";
import type { Identity } from "./credential";

export function IdentityCard({ identity, onEnd }: { identity: Identity; onEnd: () => void }) {
  const now = useNow(identity.expiresAt === undefined ? undefined : 5000);
  const ended = identity.expiresAt !== undefined && identity.expiresAt <= now;
  return (
    <section class="identity" aria-label="Signed in" data-testid="identity">
      <span class="avatar" aria-hidden="true">{[...identity.user][0]?.toUpperCase()}</span>
      <p title={detail(identity)}>
        <strong>{identity.user}</strong>
        <small class={ended ? "wrong" : ""}>{expiry(identity, now)}</small>
      </p>
      <button type="button" class="quiet" onClick={onEnd}>Sign out</button>
    </section>
  );
}

function expiry({ expiresAt }: Identity, now: number): string {
  if (expiresAt === undefined) return "does not end";
  return expiresAt <= now ? "token ended" : `ends in ${sayDuration(expiresAt - now)}`;
}

function detail({ user, project, role, tier, expiresAt }: Identity): string {
  return [
    `User ${user}`,
    project !== undefined && `project ${project}`,
    role !== undefined && `role ${role}`,
    tier !== undefined && `tier ${tier}`,
    expiresAt !== undefined && `until ${new Date(expiresAt).toLocaleString()}`,
  ]
    .filter(Boolean)
    .join(", ");
}
