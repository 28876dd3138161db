// The icons, drawn on a 20-unit grid with one stroke. Decorative: names belong to the buttons.
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const PlusIcon = () => <Icon><path d="M10 4.5v11M4.5 10h11" /></Icon>;
export const SendIcon = () => <Icon><path d="M10 16V4.5M5 9l5-4.8L15 9" /></Icon>;
export const StopIcon = () => <Icon><rect x="5.5" y="5.5" width="9" height="9" rx="1.6" class="fill" /></Icon>;
export const MenuIcon = () => <Icon><path d="M3.5 6.5h13M3.5 10h13M3.5 13.5h8" /></Icon>;
export const CloseIcon = () => <Icon><path d="M5.5 5.5l9 9M14.5 5.5l-9 9" /></Icon>;
export const PencilIcon = () => <Icon><path d="M12.8 4.2l3 3L7.5 15.5l-3.6.6.6-3.6z" /></Icon>;
export const TrashIcon = () => <Icon><path d="M4.5 6h11M8 6V4.2h4V6M6 6l.6 9.8h6.8L14 6" /></Icon>;
export const SlidersIcon = () => (
  <Icon><path d="M3.5 6.5h6M13.5 6.5h3M3.5 13.5h3M10.5 13.5h6" /><circle cx="11.5" cy="6.5" r="2" /><circle cx="8.5" cy="13.5" r="2" /></Icon>
);
export const CodeIcon = () => <Icon><path d="M7 5.5L2.8 10 7 14.5M13 5.5L17.2 10 13 14.5" /></Icon>;
export const SunIcon = () => (
  <Icon><circle cx="10" cy="10" r="3.2" /><path d="M10 2.8v1.7M10 15.5v1.7M2.8 10h1.7M15.5 10h1.7M4.9 4.9l1.2 1.2M13.9 13.9l1.2 1.2M15.1 4.9l-1.2 1.2M6.1 13.9l-1.2 1.2" /></Icon>
);
export const MoonIcon = () => <Icon><path d="M15.8 12.2A6.3 6.3 0 0 1 7.8 4.2a6.3 6.3 0 1 0 8 8z" /></Icon>;
export const AgainIcon = () => <Icon><path d="M15.5 10a5.5 5.5 0 1 1-1.7-4M15.6 3.4v3.2h-3.2" /></Icon>;
export const ToolIcon = () => <Icon><path d="M12.6 3.8a3.8 3.8 0 0 0-3.9 5.1l-4.9 4.9 2.4 2.4 4.9-4.9a3.8 3.8 0 0 0 4.9-4.7l-2.3 2.3-2.3-.6-.6-2.3z" /></Icon>;
export const DownIcon = () => <Icon><path d="M10 4.5V15.5M5 11l5 4.8L15 11" /></Icon>;
