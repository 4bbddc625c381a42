import type { ReactNode } from "react";
import { classes } from "./classes";

/** A framed piece of a page, with its own heading. */
export function Card({ title, actions, children, className }: { title?: string; actions?: ReactNode; children: ReactNode; className?: string }): ReactNode {
  return (
    <section className={classes("flex min-w-0 flex-col gap-4 rounded-card border border-line bg-raised p-5 max-wide:p-4", className)}>
      {(title || actions) && (
        <header className="flex flex-wrap items-center justify-between gap-2">
          {title && <h2>{title}</h2>}
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}
