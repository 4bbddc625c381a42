import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Button } from "@/parts/Button";

/** A text that looks like a key is held before it is sent. */
export function LooksLikeKey({ send }: { send: () => void }): ReactNode {
  const navigate = useNavigate();
  return (
    <div role="alert" className="mb-2 flex flex-wrap items-center gap-2 rounded-card bg-warn-tint p-3">
      <span className="grow basis-64">That looks like an API key. Save it in Settings; a chat is kept as text.</span>
      <Button small kind="main" onClick={() => void navigate({ to: "/settings/openai" })}>
        Open settings
      </Button>
      <Button small onClick={send}>
        Send anyway
      </Button>
    </div>
  );
}
