import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { type Schemas, api, data } from "@/api/client";
import { LimitFields, limitsOf } from "@/keys/LimitFields";
import { boundsOf } from "@/keys/bounds";
import { FormDialog } from "@/parts/FormDialog";
import { say } from "@/parts/StatusRegion";

type Limits = Schemas["CallLimitsOut"];

const QUERY = { queryKey: ["limits"], queryFn: async (): Promise<{ data: Limits[] }> => (await data(api.GET("/api/v1/limits")))! };

/** `user:ID` or `account:ID` -> its limits; `undefined`: none. */
function useLimits(subject: string): { known: boolean; limits: Limits | undefined } {
  const all = useQuery(QUERY);
  return { known: all.data !== undefined, limits: all.data?.data.find((row) => row.subject === subject) };
}

/** The limits of a user or an account in words. */
export function LimitWords({ subject }: { subject: string }): ReactNode {
  const { known, limits } = useLimits(subject);
  if (!known) return <span className="text-ink-3">not known yet</span>;
  return limits ? boundsOf(limits) : <span className="text-ink-3">none of its own</span>;
}

/** Sets them in place of what stood there; all fields empty: they are lifted. */
export function LimitForm({ subject, name, says, close }: { subject: string; name: string; says: string; close: () => void }): ReactNode {
  const client = useQueryClient();
  const { known, limits } = useLimits(subject);
  const save = async (form: FormData): Promise<void> => {
    const wish = limitsOf(form);
    const path = { params: { path: { subject } } };
    const isNone = Object.values(wish).every((value) => value === null);
    const stored = isNone ? undefined : (await data(api.PUT("/api/v1/limits/{subject}", { ...path, body: wish })))!;
    if (isNone && limits) await data(api.DELETE("/api/v1/limits/{subject}", path));
    client.setQueryData(QUERY.queryKey, (before: { data: Limits[] } | undefined) => {
      const others = (before?.data ?? []).filter((row) => row.subject !== subject);
      return { data: stored ? [...others, stored] : others };
    });
    say(stored ? "Limits set. They hold from the next call on." : "No limits of its own any more.");
  };
  if (!known) return null;
  return (
    <FormDialog title={`Limits of ${name}`} close={close} save={save}>
      <p className="text-ink-2">{says}</p>
      <div className="grid grid-cols-2 gap-3">
        <LimitFields now={limits ?? {}} />
      </div>
      <p className="text-console text-ink-3">An empty field is no limit. A minute's limit is the same for all processes together.</p>
    </FormDialog>
  );
}
