import { ChevronDown } from "lucide-react";
import { type ReactNode, Suspense, lazy, useSyncExternalStore } from "react";
import { Button } from "@/parts/Button";
import { Dialog } from "@/parts/Dialog";
import { pickerOpen } from "./picker";

const ModelChoices = lazy(async () => ({ default: (await import("./ModelChoices")).Choices }));

export function ModelPicker({ model, choose }: { model: string; choose: (model: string) => void }): ReactNode {
  const open = useSyncExternalStore(pickerOpen.watch, pickerOpen.get);
  const pick = (id: string): void => {
    pickerOpen.set(false);
    choose(id);
  };
  return (
    <>
      <Button kind="quiet" small onClick={() => pickerOpen.set("all")} aria-label={`Model: ${model}`} className="min-w-0 shrink">
        <span className="truncate">{model}</span>
        <ChevronDown size={14} strokeWidth={1.75} aria-hidden />
      </Button>
      <Dialog open={open !== false} onClose={() => pickerOpen.set(false)} title={open === "largest" ? "Model, by how much it reads" : "Model"}>
        <Suspense fallback={<div className="h-64" />}>
          <ModelChoices model={model} pick={pick} byWindow={open === "largest"} />
        </Suspense>
      </Dialog>
    </>
  );
}
