import { CloudOff } from "lucide-react";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { away, retryNow } from "@/api/reach";
import { Button } from "@/parts/Button";

const PATIENCE_MS = 2000;

/** After two seconds without an answer: says so, counts down, lets one try now. Forms stay as they are. */
export function OfflineBar(): ReactNode {
  const state = useSyncExternalStore(away.watch, away.get);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!state) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [state]);
  if (!state || now - state.since < PATIENCE_MS) return null;
  const seconds = Math.max(0, Math.ceil((state.nextTry - now) / 1000));
  return (
    <div role="alert" className="flex flex-wrap items-center gap-3 border-b border-line bg-warn-tint px-4 py-2">
      <CloudOff size={16} strokeWidth={1.75} className="text-warn" aria-hidden />
      <span>Can't reach Doorward. <span aria-hidden>Trying again in {seconds} s.</span></span>
      <Button small onClick={() => void retryNow()}>
        Retry now
      </Button>
    </div>
  );
}
