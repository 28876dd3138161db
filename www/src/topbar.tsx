// The line above the conversation: its title, the model, and the ways to settings and the request.
import type { Preferences } from "./chat/preferences";
import { CodeIcon, MenuIcon, SlidersIcon } from "./ui/icons";
import { ModelPicker } from "./ui/ModelPicker";
import type { Model } from "./wire/gateway";

interface TopBarProps {
  title: string | undefined;
  models: Model[];
  preferences: Preferences;
  panel: boolean;
  onModel: (model: string) => void;
  onMenu: () => void;
  onSettings: () => void;
  onPanel: () => void;
}

export function TopBar({ title, models, preferences, panel, onModel, onMenu, onSettings, onPanel }: TopBarProps) {
  const { system, temperature, maxTokens } = preferences;
  const changed = system.trim() !== "" || temperature !== undefined || maxTokens !== undefined;
  return (
    <header class="topbar">
      <button type="button" class="icon-button menu" aria-label="Threads" data-testid="menu" onClick={onMenu}>
        <MenuIcon />
      </button>
      <h1 class="topbar-title">{title || "New thread"}</h1>
      <ModelPicker model={preferences.model} models={models} onChange={onModel} />
      <button
        type="button"
        class={`icon-button ${changed ? "dotted" : ""}`}
        aria-label={changed ? "Settings (changed)" : "Settings"}
        title="Settings"
        data-testid="settings-toggle"
        onClick={onSettings}
      >
        <SlidersIcon />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="Request panel"
        title="Request panel"
        aria-expanded={panel}
        aria-controls="panel"
        data-testid="panel-toggle"
        onClick={onPanel}
      >
        <CodeIcon />
      </button>
    </header>
  );
}
