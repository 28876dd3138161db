// Time zones in tests: dates by Node's own rules, and the moves of a project.
import type { Json, Project, User } from "./project.ts";

/** Their dates differ at any moment: they are 25 hours apart. */
export const [EAST, WEST] = ["Pacific/Kiritimati", "Pacific/Pago_Pago"];

/** Year, month and day of a moment in a zone. */
export function date(zone: string, ms: number): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(ms);
}

/** A limit as its user sees it. */
export async function limit(user: User, name: string): Promise<Json> {
  return (await user.get("/v1/limits")).json.limits.find((each: { name: string }) => each.name === name);
}

/** Sets the project's time zone. */
export function move(project: Project, time_zone: string | null) {
  return project.admin("/settings", { method: "PUT", body: { time_zone } });
}
