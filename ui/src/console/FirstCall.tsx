import type { ReactNode } from "react";
import { CopyButton } from "@/parts/CopyButton";
import { Go } from "./parts/Go";

/** Nothing was called yet: what to do first. */
export function FirstCall(): ReactNode {
  const curl = `curl ${location.origin}/v1/chat/completions \\\n  -H "Authorization: Bearer $DOORWARD_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`;
  return (
    <div className="flex max-w-3xl flex-col items-start gap-4 rounded-card border border-dashed border-control p-6 max-wide:p-4">
      <p className="font-medium">No calls yet.</p>
      <p className="text-ink-2">Make a client key and send the first call; this one needs no OpenAI key, because the simulator answers it.</p>
      <pre className="w-full rounded-control bg-sunk p-3 text-console break-words whitespace-pre-wrap">
        <code>{curl}</code>
      </pre>
      <div className="flex flex-wrap items-center gap-3">
        <Go to="/admin/keys" search={{ open: "new" }} button="main">
          Make a client key
        </Go>
        <CopyButton text={curl} label="Copy the call" shown />
      </div>
    </div>
  );
}
