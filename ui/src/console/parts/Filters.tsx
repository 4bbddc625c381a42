import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { CONTROL } from "@/parts/Field";
import { classes } from "@/parts/classes";
import { RANGES, rangeOf, spanOf, spanWords } from "./range";
import type { Search } from "./url";

/** One choice of a filter. Its name is for readers; what it says now tells the eyes. */
export function Choice({ name, value, options, choose, className }: { name: string; value: string; options: readonly (readonly [string, string])[]; choose: (value: string) => void; className?: string }): ReactNode {
  return (
    <select aria-label={name} value={value} onChange={(event) => choose(event.target.value)} className={classes(CONTROL, "field-sizing-content h-8 w-auto! max-w-56 min-w-0 px-2 text-console max-wide:h-11 max-wide:max-w-none max-wide:min-w-36 max-wide:flex-1", className)}>
      {options.map(([option, label]) => (
        <option key={option} value={option}>
          {label}
        </option>
      ))}
    </select>
  );
}

export function RangeChoice({ search, set, usual = "24h" }: { search: Search; set: (change: Search) => void; usual?: string }): ReactNode {
  const range = rangeOf(search, usual);
  const options: [string, string][] = RANGES.map(([name, label]) => [name, label]);
  if (range === "custom") options.unshift(["custom", spanWords(spanOf(search, Date.now(), usual))]);
  return (
    <Choice
      name="Range"
      value={range}
      options={options}
      choose={(value) => set({ range: value === usual ? undefined : value, from: undefined, to: undefined, after: undefined, before: undefined })}
    />
  );
}

/** A field that asks the server once Enter is pressed or it is left; `/` jumps to it. */
export function SearchField({ label, placeholder, value, search }: { label: string; placeholder: string; value: string; search: (text: string) => void }): ReactNode {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const go = (event?: FormEvent): void => {
    event?.preventDefault();
    if (typed.trim() !== value) search(typed.trim());
  };
  return (
    <form role="search" onSubmit={go} className="min-w-0 max-wide:w-full">
      <input
        type="search"
        data-search=""
        aria-label={label}
        placeholder={placeholder}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={() => go()}
        spellCheck={false}
        autoCapitalize="off"
        className={classes(CONTROL, "h-8 w-64 px-2 text-console max-wide:h-11 max-wide:w-full")}
      />
    </form>
  );
}

export function FilterBar({ children }: { children: ReactNode }): ReactNode {
  return (
    <div role="group" aria-label="Filters" className="-mt-2 flex flex-wrap items-center gap-2">
      {children}
    </div>
  );
}
