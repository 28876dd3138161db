// The name, as the page signs itself.

export function Wordmark() {
  return (
    <span class="wordmark">
      <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
        <rect width="32" height="32" rx="8" class="mark-ground" />
        <path class="mark-letter" d="M10 7.5h6.4c3.5 0 5.6 1.7 5.6 4.4 0 1.9-1 3.2-2.7 3.8 2.2.5 3.5 2 3.5 4.2 0 3-2.3 4.8-6.1 4.8H10zM10 15.8h7.4" />
      </svg>
      Behest
    </span>
  );
}
