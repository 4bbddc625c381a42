import { Link, type LinkProps } from "@tanstack/react-router";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { classes } from "./classes";

type Kind = "main" | "plain" | "quiet" | "danger";

interface Looks {
  /** `main`: the one thing to do here. `quiet`: no border, for rows and toolbars. */
  kind?: Kind;
  /** 32 px high instead of 36. */
  small?: boolean;
}

const KINDS: Record<Kind, string> = {
  main: "bg-accent text-on-accent border-transparent hover:brightness-90",
  plain: "bg-raised text-ink border-control hover:bg-sunk",
  quiet: "bg-transparent text-ink-2 border-transparent hover:bg-sunk hover:text-ink",
  danger: "bg-bad text-on-bad border-transparent hover:brightness-90",
};

export function buttonClasses({ kind = "plain", small = false }: Looks): string {
  return classes(
    "inline-flex select-none items-center justify-center gap-2 rounded-control border font-medium whitespace-nowrap no-underline",
    "transition-opacity duration-[120ms] disabled:opacity-50 aria-disabled:opacity-50 max-wide:min-h-11",
    small ? "min-h-8 px-2.5 text-console" : "min-h-9 px-3.5",
    KINDS[kind],
  );
}

export function Button({
  kind = "plain",
  small = false,
  busy = false,
  children,
  ref,
  className,
  type = "button",
  disabled,
  ...rest
}: Looks & ButtonHTMLAttributes<HTMLButtonElement> & { busy?: boolean; ref?: Ref<HTMLButtonElement> }): ReactNode {
  return (
    <button
      ref={ref}
      type={type}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={classes(buttonClasses({ kind, small }), className)}
      {...rest}
    >
      {children}
    </button>
  );
}

/** A link that looks like a button: it goes somewhere. */
export function ButtonLink({ kind = "plain", small = false, children, className, ...rest }: Looks & LinkProps & { className?: string; children: ReactNode }): ReactNode {
  return (
    <Link className={classes(buttonClasses({ kind, small }), className)} {...rest}>
      {children}
    </Link>
  );
}

/** Only an icon to see, its name for readers and on hover. */
export function IconButton({ label, children, className, ref, ...rest }: { label: string; ref?: Ref<HTMLButtonElement> } & ButtonHTMLAttributes<HTMLButtonElement>): ReactNode {
  return (
    <button
      ref={ref}
      type="button"
      aria-label={label}
      title={label}
      className={classes(
        "inline-flex size-8 shrink-0 items-center justify-center rounded-control text-ink-2 hover:bg-sunk hover:text-ink disabled:opacity-50 max-wide:size-11",
        className,
      )}
      {...rest}
    >
      {children}
    </button>
  );
}
