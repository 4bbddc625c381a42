import { useNavigate } from "@tanstack/react-router";
import { CircleAlert } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { ApiError } from "@/api/errors";
import { isAdmin, useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { CopyButton } from "@/parts/CopyButton";
import { bubbleOf } from "./bubbles";
import { type Call, cost } from "./calls";
import { editing } from "./editing";
import { pickerOpen } from "./picker";
import type { Said } from "./said";

/** Where the answer would be: what happened and one button. The question stays. */
export function ErrorBubble({ said, question, call, retry }: { said: Said; question: Said | undefined; call: Call | undefined; retry: () => void }): ReactNode {
  const navigate = useNavigate();
  const bubble = bubbleOf(said.error, isAdmin(useSession().data));
  const waitS = useCountdown(bubble.waitS, said.at);
  const requestId = said.callId ?? (said.error instanceof ApiError ? said.error.requestId : null);
  const act = (): void => {
    if (bubble.way === "settings" || bubble.way === "replace") void navigate({ to: "/settings/openai" });
    else if (bubble.way === "accounts") void navigate({ to: "/admin/accounts" as string });
    else if (bubble.way === "usage") void navigate({ to: "/usage" as string });
    else if (bubble.way === "why" && requestId) void navigate({ to: `/calls/${requestId}` as string });
    else if (bubble.way === "model") pickerOpen.set("all");
    else if (bubble.way === "larger") pickerOpen.set("largest");
    else if (bubble.way === "edit" && question) editing.set(question.key);
    else retry();
  };
  const text = said.state === "cut" && call ? `Cut off by the provider after ${call.output_tokens} tokens. You paid ${cost(call)} for what you see.` : bubble.text;
  return (
    <div role="alert" className="flex flex-wrap items-center gap-3 rounded-card border border-line bg-bad-tint p-3">
      <CircleAlert size={16} strokeWidth={1.75} className="shrink-0 text-bad" aria-hidden />
      <span className="min-w-0 flex-1 basis-48">{text}</span>
      <Button small onClick={act} disabled={waitS > 0}>
        {waitS > 0 ? `${bubble.button} in ${waitS} s` : bubble.button}
      </Button>
      {requestId && (
        <span className="flex w-full items-center gap-1 text-note text-ink-2">
          <code className="truncate">{requestId}</code>
          <CopyButton text={requestId} label="Copy request id" />
        </span>
      )}
    </div>
  );
}

/** Seconds left; counts down and does nothing else. */
function useCountdown(seconds: number | undefined, sinceS: number): number {
  const left = (): number => Math.max(0, Math.ceil((seconds ?? 0) - (Date.now() / 1000 - sinceS)));
  const [value, setValue] = useState(left);
  useEffect(() => {
    if (!seconds) return;
    const timer = setInterval(() => setValue(left()), 250);
    return () => clearInterval(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `left` reads only what is listed
  }, [seconds, sinceS]);
  return value;
}
