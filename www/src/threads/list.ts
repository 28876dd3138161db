// The thread list as data: pages join, threads move to the front when used, groups by day. Newest
// first, each id once. A thread the server has not listed yet is `local` and survives a reload.
import type { Page, Thread } from "../wire/gateway";

export interface ListedThread extends Thread {
  local?: boolean;
}

/** A fresh first page: its order counts; older threads already loaded stay behind it. */
export function withFirstPage(known: readonly ListedThread[], page: Page<Thread>): ListedThread[] {
  const listed = new Set(page.items.map((thread) => thread.id));
  const local = known.filter((thread) => thread.local && !listed.has(thread.id));
  const oldest = page.next === undefined ? undefined : page.items.at(-1)?.at;
  // Behind a last page there is nothing; else only what is older than it can still be there.
  const older = known.filter(
    (thread) => !thread.local && !listed.has(thread.id) && oldest !== undefined && (thread.at ?? 0) <= oldest,
  );
  return [...local, ...page.items, ...older];
}

export function withNextPage(known: readonly ListedThread[], page: Page<Thread>): ListedThread[] {
  const ids = new Set(known.map((thread) => thread.id));
  return [...known, ...page.items.filter((thread) => !ids.has(thread.id))];
}

/** A thread was written to: it comes first; an unknown one appears under its first words. */
export function touched(known: readonly ListedThread[], id: string, firstWords: string, now: number): ListedThread[] {
  const thread = known.find((each) => each.id === id) ?? { id, title: titleFrom(firstWords), at: now, messages: 0, local: true };
  return [{ ...thread, at: now }, ...known.filter((each) => each.id !== id)];
}

export function renamed(known: readonly ListedThread[], id: string, title: string): ListedThread[] {
  return known.map((thread) => (thread.id === id ? { ...thread, title } : thread));
}

export function without(known: readonly ListedThread[], id: string): ListedThread[] {
  return known.filter((thread) => thread.id !== id);
}

export function titleFrom(words: string): string {
  const line = words.trim().replace(/\s+/g, " ");
  return line.length <= 60 ? line : `${[...line].slice(0, 59).join("").trimEnd()}…`;
}

export interface Group {
  name: string;
  threads: ListedThread[];
}

/** Cut by calendar day, in the order given. */
export function groupByDay(threads: readonly ListedThread[], now: number): Group[] {
  const groups: Group[] = [];
  for (const thread of threads) {
    const name = dayName(thread.at, now);
    const group = groups.find((each) => each.name === name);
    if (group) group.threads.push(thread);
    else groups.push({ name, threads: [thread] });
  }
  return groups;
}

function dayName(at: number | undefined, now: number): string {
  if (at === undefined) return "Earlier";
  const today = new Date(now).setHours(0, 0, 0, 0);
  const day = new Date(at).setHours(0, 0, 0, 0);
  const days = Math.round((today - day) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 8 ? "Last 7 days" : "Earlier";
}
