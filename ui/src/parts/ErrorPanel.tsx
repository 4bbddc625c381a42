import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError, sentenceOf } from "@/api/errors";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";

/** What failed, why, and what to do: in the panel that failed, nowhere else. */
export function ErrorPanel({ error, retry, children }: { error: unknown; retry?: () => void; children?: ReactNode }): ReactNode {
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div role="alert" className="flex flex-col items-start gap-3 rounded-card border border-line bg-bad-tint p-4">
      <p className="flex gap-2 text-ink">
        <CircleAlert size={16} strokeWidth={1.75} className="mt-0.5 shrink-0 text-bad" aria-hidden />
        <span>{sentenceOf(error)}</span>
      </p>
      <div className="flex flex-wrap items-center gap-2">
        {children}
        {retry && (
          <Button small onClick={retry}>
            Try again
          </Button>
        )}
        {requestId && (
          <span className="flex items-center gap-1 text-note text-ink-2">
            <code>{requestId}</code>
            <CopyButton text={requestId} label="Copy request id" />
          </span>
        )}
      </div>
    </div>
  );
}
