import type { ReactNode } from "react";
import { StatusRegion } from "@/parts/StatusRegion";
import { Logo } from "./Logo";
import { OfflineBar } from "./OfflineBar";

/** A page outside the wall: one card, 400 px. */
export function Alone({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <>
      <OfflineBar />
      <main className="mx-auto flex min-h-dvh w-full max-w-[432px] flex-col justify-center gap-6 p-4 max-wide:justify-start max-wide:pt-12">
        <div className="flex items-center gap-2.5">
          <Logo size={24} />
          <span className="text-h2 font-semibold">Doorward</span>
        </div>
        <div className="flex flex-col gap-5 rounded-card border border-line bg-raised p-6 max-wide:border-0 max-wide:bg-transparent max-wide:p-0">
          <h1>{title}</h1>
          {children}
        </div>
      </main>
      <StatusRegion />
    </>
  );
}
