import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import type { Schemas } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { classes } from "@/parts/classes";
import { Check, Field, SelectField } from "@/parts/Field";
import { Skeleton } from "@/parts/Skeleton";
import { keysQuery, whatIfQuery } from "./asks";
import { useUrl } from "./parts/url";
import { whatIfLines } from "./parts/what-if";

/** Which account would this call take, and why: the steps of a call that is not made, as oneself or as a client key. */
export function WhatIf(): ReactNode {
  const [search, set] = useUrl();
  const model = search.model ?? "";
  const [typed, setTyped] = useState(model);
  useEffect(() => setTyped(model), [model]);
  const asked = useQuery({
    ...whatIfQuery(search),
    enabled: model !== "",
    refetchInterval: (query) => (query.state.error ? false : 5000),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    set({ model: typed.trim() });
  };
  return (
    <Card title="What if">
      <form role="search" onSubmit={submit} className="flex flex-wrap items-end gap-3">
        <div className="w-60 max-wide:w-full">
          <Field label="A call for the model" placeholder="gpt-4o" value={typed} onChange={(event) => setTyped(event.target.value)} data-search="" spellCheck={false} autoCapitalize="off" />
        </div>
        <div className="w-60 max-wide:w-full">
          <WithKey chosen={search.key_id ?? ""} choose={(key_id) => set({ key_id, model: typed.trim() })} />
        </div>
        <div className="flex h-9 items-center max-wide:h-11">
          <Check label="streamed" checked={Boolean(search.stream)} onChange={(event) => set({ stream: event.target.checked ? "true" : undefined }, { replace: true })} />
        </div>
        <Button type="submit" className="max-wide:ml-auto">
          Show its way
        </Button>
      </form>
      {model === "" ? (
        <p className="text-console text-ink-3">Nothing is sent. You see which accounts the call would be offered to, in which order, and why.</p>
      ) : asked.data ? (
        <Way found={asked.data} />
      ) : asked.error ? (
        <p role="alert" className="rounded-card bg-bad-tint p-3">
          It would be refused: {sentenceOf(asked.error)}
        </p>
      ) : (
        <Skeleton rows={4} />
      )}
    </Card>
  );
}

/** Whose call it would be: a key has its owner's accounts, its own models and its own end. */
function WithKey({ chosen, choose }: { chosen: string; choose: (key: string | undefined) => void }): ReactNode {
  const keys = useQuery(keysQuery);
  const rows = (keys.data?.data ?? []).filter((key) => key.state === "active" || key.id === chosen);
  return (
    <SelectField label="With the key" value={chosen} onChange={(event) => choose(event.target.value || undefined)}>
      <option value="">none: as you</option>
      {chosen !== "" && !rows.some((key) => key.id === chosen) && <option value={chosen}>dw-{chosen}</option>}
      {rows.map((key) => (
        <option key={key.id} value={key.id}>
          {key.label} ({key.owner ?? "operator"}, dw-{key.id})
        </option>
      ))}
    </SelectField>
  );
}

function Way({ found }: { found: Schemas["WhatIfOut"] }): ReactNode {
  return (
    <ol className="flex flex-col overflow-hidden rounded-card border border-line" aria-label="The way of this call">
      {whatIfLines(found).map((line, index) => (
        <li key={index} className={classes("flex gap-4 border-t border-line px-4 py-2 first:border-t-0", line.tone === "warn" && "bg-warn-tint")}>
          <span className="min-w-0 grow">
            <span className="font-medium">{line.title}</span> <span className="break-words text-ink-2">{line.says}</span>
          </span>
          {line.share !== undefined && <span className="shrink-0 text-right tabular-nums">{Math.round(line.share * 100)} %</span>}
        </li>
      ))}
    </ol>
  );
}
