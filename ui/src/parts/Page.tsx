import { type ReactNode, useEffect } from "react";
import { classes } from "./classes";

/** A page's frame: title, actions, and at most one width. `form`: 560 px; `console`: up to 1600 px. */
export function Page({ title, actions, width = "console", children }: { title: string; actions?: ReactNode; width?: "form" | "console"; children: ReactNode }): ReactNode {
  useTitle(title);
  return (
    <div className={classes("mx-auto flex w-full flex-col gap-6 px-6 py-6 max-wide:px-4", width === "form" ? "max-w-[608px]" : "max-w-[1600px]")}>
      <header className="flex min-h-9 flex-wrap items-center justify-between gap-3">
        <h1>{title}</h1>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "Chat" ? "Doorward" : `${title} · Doorward`;
  }, [title]);
}
