import { type KeyboardEvent, type ReactNode, useId, useState } from "react";
import { classes } from "@/parts/classes";
import { CONTROL } from "@/parts/Field";
import { Panel } from "@/parts/Panel";
import { type Model, contextWord, grouped, largest, useModels } from "./models";

/** A search over the models, walked by arrows; Enter takes a name that is not listed as it is. `byWindow`: what reads most first. */
export function Choices({ model, pick, byWindow }: { model: string; pick: (id: string) => void; byWindow: boolean }): ReactNode {
  const sort = byWindow ? largest : grouped;
  const models = useModels();
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const rows = sort(models.data ?? [], words).flatMap(([, group]) => group);
  const active = Math.min(at, rows.length - 1);
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((active + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % Math.max(1, rows.length));
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      const typed = words.trim();
      const chosen = rows[active]?.id ?? (typed && !typed.includes(" ") ? typed : "");
      if (chosen) pick(chosen);
    }
  };
  return (
    <>
      <input
        autoFocus
        role="combobox"
        aria-label="Search models"
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={rows[active] && `${listId}-${active}`}
        placeholder="Search models"
        className={classes(CONTROL, "h-10 max-wide:h-11")}
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
      />
      <Panel query={models} rows={5}>
        {(found: Model[]) => {
          let number = -1;
          return (
            <div id={listId} role="listbox" aria-label="Models" className="max-h-[50dvh] overflow-y-auto">
              {sort(found, words).map(([name, group]) => (
                <div key={name} role="group" aria-label={name}>
                  <p className="px-3 pt-2 text-note text-ink-3">{name}</p>
                  {group.map((row) => {
                    const index = ++number;
                    return (
                      <div
                        key={row.id}
                        id={`${listId}-${index}`}
                        role="option"
                        aria-selected={index === active}
                        onClick={() => pick(row.id)}
                        onPointerMove={() => setAt(index)}
                        className={classes("flex min-h-9 cursor-pointer items-center rounded-control px-3 max-wide:min-h-11", index === active && "bg-accent-tint", row.id === model && "font-semibold")}
                      >
                        <span className="min-w-0 truncate">{row.id}</span>
                        {(byWindow || row.context_tokens !== null) && <span aria-hidden={!byWindow} className="figures ml-auto shrink-0 pl-3 text-note font-normal text-ink-3">{contextWord(row.context_tokens)}</span>}
                      </div>
                    );
                  })}
                </div>
              ))}
              {number < 0 && <p className="p-3 text-ink-2">{words.trim() ? `No model by that name. Enter uses "${words.trim()}" as it is.` : "No models yet."}</p>}
            </div>
          );
        }}
      </Panel>
    </>
  );
}
