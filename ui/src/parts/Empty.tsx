import type { ReactNode } from "react";

/** What belongs here, what makes the first, and the command line that does the same. */
export function Empty({ title, children, action, command }: { title: string; children?: ReactNode; action?: ReactNode; command?: string }): ReactNode {
  return (
    <div className="flex flex-col items-start gap-3 rounded-card border border-dashed border-control p-6 max-wide:p-4">
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-prose text-ink-2">{children}</div>}
      {action}
      {command && <code tabIndex={0} className="max-w-full overflow-x-auto rounded-control bg-sunk px-2 py-1 text-console whitespace-nowrap text-ink-2">{command}</code>}
    </div>
  );
}

/** Rows exist, the filter hides them. */
export function NoMatch({ clear }: { clear: ReactNode }): ReactNode {
  return (
    <div className="flex items-center gap-3 rounded-card border border-dashed border-control p-6 text-ink-2">
      No rows match. {clear}
    </div>
  );
}
