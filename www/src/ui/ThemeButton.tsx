// Switches between light and dark, and shows where it leads.
import { MoonIcon, SunIcon } from "./icons";
import { useTheme } from "./theme";

export function ThemeButton() {
  const { theme, toggle } = useTheme();
  const label = theme === "dark" ? "Use light colours" : "Use dark colours";
  return (
    <button type="button" class="icon-button" data-testid="theme-toggle" aria-label={label} title={label} onClick={toggle}>
      {theme === "dark" ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}
