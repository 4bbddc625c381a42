import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { classes } from "./classes";
import { ErrorPanel } from "./ErrorPanel";
import { Skeleton } from "./Skeleton";

/** What a query shows in each of its states: still skeleton, the error in this place only, older data dimmed while it refreshes. */
export function Panel<T>({
  query,
  rows = 4,
  className,
  children,
}: {
  query: Pick<UseQueryResult<T>, "data" | "error" | "isPending" | "isPlaceholderData" | "refetch">;
  /** Lines of the skeleton: about the size of what comes. */
  rows?: number;
  /** Of what surrounds the children, when there are several. */
  className?: string;
  children: (data: T) => ReactNode;
}): ReactNode {
  if (query.data !== undefined)
    return <div className={classes(className, query.isPlaceholderData && "opacity-60")}>{children(query.data)}</div>;
  if (query.error) return <ErrorPanel error={query.error} retry={() => void query.refetch()} />;
  return <Skeleton rows={rows} />;
}
