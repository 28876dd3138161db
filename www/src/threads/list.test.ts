// The list under reloads, pages and use.
import { describe, expect, it } from "vitest";
import { groupByDay, renamed, titleFrom, touched, withFirstPage, without, withNextPage, type ListedThread } from "./list";

const thread = (id: string, at: number): ListedThread => ({ id, title: id, at, messages: 2 });
const ids = (threads: ListedThread[]) => threads.map((each) => each.id).join("");

describe("pages", () => {
  const first = { items: [thread("a", 9), thread("b", 8)], next: "/more" };

  it("join without doubles", () => {
    const known = withFirstPage([], first);
    expect(ids(withNextPage(known, { items: [thread("b", 8), thread("c", 7)], next: undefined }))).toBe("abc");
  });

  it("keep what was loaded behind a fresh first page", () => {
    const known = [thread("a", 9), thread("b", 8), thread("c", 7), thread("d", 6)];
    expect(ids(withFirstPage(known, { items: [thread("c", 10), thread("a", 9)], next: "/more" }))).toBe("cabd");
  });

  it("drop what the server no longer has", () => {
    const known = [thread("a", 9), thread("x", 8.5), thread("b", 8)];
    expect(ids(withFirstPage(known, first))).toBe("ab");
    expect(ids(withFirstPage([thread("z", 1)], { items: [thread("a", 9)], next: undefined }))).toBe("a");
  });

  it("keep a thread that is too new to be listed, until it is", () => {
    const known = touched([thread("a", 9)], "n", "Hello there", 10);
    expect(known[0]).toMatchObject({ id: "n", title: "Hello there", local: true });
    expect(ids(withFirstPage(known, first))).toBe("nab");
    const listed = withFirstPage(known, { items: [thread("n", 10)], next: undefined });
    expect(listed).toEqual([thread("n", 10)]);
  });
});

it("moves a used thread to the front", () => {
  const known = touched([thread("a", 9), thread("b", 8)], "b", "words", 12);
  expect(known[0]).toEqual({ ...thread("b", 12), title: "b" });
  expect(ids(known)).toBe("ba");
});

it("renames and removes", () => {
  const known = [thread("a", 9), thread("b", 8)];
  expect(renamed(known, "b", "B!")[1]?.title).toBe("B!");
  expect(ids(without(known, "a"))).toBe("b");
});

it.each([
  ["  two\n lines ", "two lines"],
  ["x".repeat(60), "x".repeat(60)],
  ["x".repeat(61), `${"x".repeat(59)}…`],
])("titleFrom %#", (words, title) => expect(titleFrom(words)).toBe(title));

it("groups by calendar day", () => {
  const now = new Date(2026, 10, 21, 0, 30).getTime();
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime();
  const threads = [thread("a", at(21, 0)), thread("b", at(20, 23)), thread("c", at(14, 1)), thread("d", at(1, 1))];
  const groups = groupByDay([...threads, { ...thread("e", 0), at: undefined }], now);
  expect(groups.map((group) => `${group.name}:${ids(group.threads)}`)).toEqual([
    "Today:a",
    "Yesterday:b",
    "Last 7 days:c",
    "Earlier:de",
  ]);
});
