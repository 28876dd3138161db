// Light or dark: the system's choice until the user makes one, which is then remembered. The page
// carries a choice as `data-theme` on <html>; without one the style sheet asks the system.
import { useCallback, useEffect, useState } from "preact/hooks";
import { keep, recall } from "../session/storage";

export type Theme = "light" | "dark";

const systemDark = () => window.matchMedia("(prefers-color-scheme: dark)");

export function applyRememberedTheme(): void {
  const chosen = chosenTheme();
  if (chosen) document.documentElement.dataset["theme"] = chosen;
}

export function useTheme(): { theme: Theme; toggle: () => void } {
  const [theme, setTheme] = useState<Theme>(() => chosenTheme() ?? (systemDark().matches ? "dark" : "light"));
  useEffect(() => {
    const query = systemDark();
    const follow = () => setTheme(chosenTheme() ?? (query.matches ? "dark" : "light"));
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  const toggle = useCallback(() => {
    const next = theme === "dark" ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    keep("browser", "theme", next);
    setTheme(next);
  }, [theme]);
  return { theme, toggle };
}

function chosenTheme(): Theme | undefined {
  const stored = recall("browser", "theme");
  return stored === "light" || stored === "dark" ? stored : undefined;
}
