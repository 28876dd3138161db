// What the page keeps in the browser. The token lives in sessionStorage (this tab, until it closes)
// and nowhere else; preferences live in localStorage. A browser that refuses storage costs memory
// between visits, never function.

type Kind = "tab" | "browser";

function area(kind: Kind): Storage | undefined {
  try {
    return kind === "tab" ? window.sessionStorage : window.localStorage;
  } catch {
    return undefined;
  }
}

export function recall(kind: Kind, name: string): string | undefined {
  try {
    return area(kind)?.getItem(`behest.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value; `undefined` or empty forgets it. */
export function keep(kind: Kind, name: string, value: string | undefined): void {
  try {
    if (value === undefined || value === "") area(kind)?.removeItem(`behest.${name}`);
    else area(kind)?.setItem(`behest.${name}`, value);
  } catch {
    // Full or forbidden: the value lives as long as the page does.
  }
}
