import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ErrorPanel } from "./ErrorPanel";
import { Skeleton } from "./Skeleton";

/** What a query shows in each of its states: still skeleton, the error in this place only, older data dimmed while it refreshes. */
export function Panel<T>({
  query,
  rows = 4,
  children,
}: {
  query: Pick<UseQueryResult<T>, "data" | "error" | "isPending" | "isPlaceholderData" | "refetch">;
  /** Lines of the skeleton: about the size of what comes. */
  rows?: number;
  children: (data: T) => ReactNode;
}): ReactNode {
  if (query.data !== undefined)
    return <div className={query.isPlaceholderData ? "opacity-60" : undefined}>{children(query.data)}</div>;
  if (query.error) return <ErrorPanel error={query.error} retry={() => void query.refetch()} />;
  return <Skeleton rows={rows} />;
}
