import type { ReactNode } from "react";
import { setLook, useLook } from "@/api/look";
import { Card } from "@/parts/Card";
import { Check, SelectField } from "@/parts/Field";

/** Theme, density, motion, keys, announcements: kept in this browser. */
export function LookPage(): ReactNode {
  const look = useLook();
  return (
    <Card title="Look">
      <SelectField label="Theme" value={look.theme} onChange={(event) => setLook({ theme: event.target.value as typeof look.theme })}>
        <option value="system">As the system</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </SelectField>
      <SelectField label="Rows" value={look.density} onChange={(event) => setLook({ density: event.target.value as typeof look.density })}>
        <option value="normal">Normal, 36 px</option>
        <option value="compact">Compact, 30 px</option>
      </SelectField>
      <Check label="Less motion" hint="Panels and menus appear without fading." checked={look.motion === "reduced"} onChange={(event) => setLook({ motion: event.target.checked ? "reduced" : "system" })} />
      <Check label="Single-letter shortcuts" hint="Press ? on any page for the list." checked={look.shortcuts} onChange={(event) => setLook({ shortcuts: event.target.checked })} />
      <Check
        label="Announce answers by sentence"
        hint="Screen readers hear each sentence of an answer as it arrives, not only its end."
        checked={look.announce === "sentences"}
        onChange={(event) => setLook({ announce: event.target.checked ? "sentences" : "end" })}
      />
      <p className="text-console text-ink-3">Kept in this browser.</p>
    </Card>
  );
}
