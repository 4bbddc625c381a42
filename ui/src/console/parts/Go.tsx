import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { buttonClasses } from "@/parts/Button";
import { classes } from "@/parts/classes";
import type { Search } from "./url";

/** A link within the console. Its routes are made from a list, so the router cannot know their parameters' types. */
export function Go({ to, search = {}, children, className, label, button, small = true }: { to: string; search?: Search; children: ReactNode; className?: string; label?: string; button?: "plain" | "quiet" | "main"; small?: boolean }): ReactNode {
  return (
    <Link to={to as "/"} search={search as never} aria-label={label} className={classes(button && buttonClasses({ kind: button, small }), className)}>
      {children}
    </Link>
  );
}
