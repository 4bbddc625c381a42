import { ChevronLeft, ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/parts/Button";

/** Newer and older, and no total: nobody counts ten million rows to draw fifty. */
export function Pager({ newer, older }: { newer?: (() => void) | undefined; older?: (() => void) | undefined }): ReactNode {
  if (!newer && !older) return null;
  return (
    <nav aria-label="Pages of the list" className="flex items-center justify-between gap-2">
      <Button small onClick={newer} disabled={!newer}>
        <ChevronLeft size={16} strokeWidth={1.75} aria-hidden />
        Newer
      </Button>
      <Button small onClick={older} disabled={!older}>
        Older
        <ChevronRight size={16} strokeWidth={1.75} aria-hidden />
      </Button>
    </nav>
  );
}
