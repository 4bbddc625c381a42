import type { ReactNode } from "react";

/** A door, half of it open light. */
export function Logo({ size = 20 }: { size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden className="shrink-0 text-accent">
      <path d="M9 27V8a3 3 0 0 1 3-3h8a3 3 0 0 1 3 3v19" fill="none" stroke="currentColor" strokeWidth="3" />
      <path d="M4 27h24" stroke="currentColor" strokeWidth="3" strokeLinecap="round" />
      <circle cx="18.500" cy="17" r="2" fill="currentColor" />
    </svg>
  );
}
