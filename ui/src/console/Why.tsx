import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import type { Schemas } from "@/api/client";
import { hasLogin, useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { classes } from "@/parts/classes";
import { CopyButton } from "@/parts/CopyButton";
import { Money } from "@/parts/Money";
import { Panel } from "@/parts/Panel";
import { Time } from "@/parts/Time";
import { duration } from "@/parts/times";
import { callQuery, statesQuery } from "./asks";
import { CallState } from "./parts/CallState";
import { Facts } from "./parts/Facts";
import { Go } from "./parts/Go";
import { type Line, answerOf, linesOf, textOf } from "./parts/why";

export type Why = Schemas["CallWhy"];

const UNSETTLED_MS = 2000;

/** One call: the answer in one sentence, then every step as a line of time. */
export function CallWhy({ id, admin, page }: { id: string; admin: boolean; page: boolean }): ReactNode {
  const call = useQuery({
    ...callQuery(id),
    // a call is in the book a second after its end
    retry: (tries, error) => tries < 1 && "status" in error && error.status === 404,
    retryDelay: UNSETTLED_MS,
  });
  const accounts = useQuery({ ...statesQuery, enabled: admin });
  const names = useMemo(() => new Map((accounts.data?.data ?? []).map((account) => [account.id, account.label])), [accounts.data]);
  return (
    <Panel query={call} rows={10}>
      {(found) => <Timeline call={found} nameOf={(account) => names.get(account)} admin={admin} page={page} />}
    </Panel>
  );
}

function Timeline({ call, nameOf, admin, page }: { call: Why; nameOf: (account: string) => string | undefined; admin: boolean; page: boolean }): ReactNode {
  const session = useSession().data;
  const lines = linesOf(call, nameOf, admin ? "admin" : session && !hasLogin(session) ? "anybody" : "user");
  const whole = Math.max(1, call.duration_ms ?? 0, ...lines.map((line) => line.bar?.to ?? 0));
  return (
    <article className="flex max-w-5xl flex-col gap-5">
      <header className="flex flex-col gap-2">
        <p className="flex flex-wrap items-center gap-x-4 gap-y-1 text-console">
          <code className="break-all">{call.endpoint}</code>
          <CallState call={call} />
          {call.outcome === "done" && <span className="tabular-nums">{call.status}</span>}
          <span className="tabular-nums">{duration(call.duration_ms)}</span>
          <Money nanos={call.cost_nanos} digits="exact" source={call.source} reason={call.reason} />
        </p>
        <p className="text-h2 font-medium">{answerOf(call, nameOf)}</p>
        <p className="flex flex-wrap items-center gap-1 text-note text-ink-2">
          <code className="break-all">{call.id}</code>
          <span className="flex flex-wrap items-center">
            <CopyButton text={call.id} label="Copy id" shown />
            <CopyButton text={() => textOf(call, lines, nameOf)} label="Copy text" shown />
            <CopyButton text={() => JSON.stringify(call, null, 2)} label="Copy JSON" shown />
            <CopyButton text={`${location.origin}/calls/${call.id}`} label="Copy link" shown />
          </span>
        </p>
      </header>
      <ol className="flex flex-col overflow-hidden rounded-card border border-line" aria-label="What happened, in order">
        {lines.map((line, index) => (
          <Step key={index} line={line} whole={whole} />
        ))}
      </ol>
      <Facts
        rows={[
          ["Started", <Time key="t" at={call.started_at} />],
          ["Model", call.model_asked === call.model_served || !call.model_served ? (call.model_asked ?? "none named") : `${call.model_asked ?? "none named"} > ${call.model_served}`],
          ["Provider", call.provider_id ?? "none: not sent"],
          ["Key", call.key_id ? `${call.key_label} (dw-${call.key_id})` : call.user_id ? "signed in" : "anonymous"],
          ["Streamed", call.streamed ? "yes" : "no"],
          ["First byte", call.first_byte_ms === null ? "none" : duration(call.first_byte_ms)],
          ...(call.tags.length ? ([["Tags", call.tags.join(", ")]] as [string, ReactNode][]) : []),
          ...(call.price_version ? ([["Prices", call.price_version]] as [string, ReactNode][]) : []),
        ]}
      />
      <div className="flex flex-wrap gap-2">
        {!page && (
          <Go to={`/calls/${call.id}`} button="plain">
            Open as a page
            <ChevronRight size={16} strokeWidth={1.75} aria-hidden />
          </Go>
        )}
        {call.key_id && (
          <Go to={admin ? "/admin/calls" : "/calls"} search={{ key_id: call.key_id }} button="plain">
            More calls of this key
          </Go>
        )}
        {page && (
          <Button small onClick={() => history.back()}>
            Back
          </Button>
        )}
      </div>
      <p className="text-console text-ink-3">Doorward keeps no prompt and no answer; there is none to show.</p>
    </article>
  );
}

function Step({ line, whole }: { line: Line; whole: number }): ReactNode {
  return (
    <li className={classes("flex gap-3 border-t border-line px-4 py-2.5 first:border-t-0 max-wide:px-3", line.tone === "bad" && "bg-bad-tint", line.tone === "warn" && "bg-warn-tint")}>
      <span className="w-16 shrink-0 text-right text-console whitespace-nowrap text-ink-2 tabular-nums">{line.atMs === null ? "" : duration(line.atMs)}</span>
      <div className="min-w-0 grow">
        <p className="break-words">
          <span className="font-medium">{line.title}</span> <span className="text-ink-2">{line.says}</span>
        </p>
        {line.bar && (
          <span aria-hidden className="mt-1.5 block h-2 rounded-full bg-line max-wide:hidden">
            <span
              className={classes("relative block h-full min-w-1 rounded-full", line.tone === "bad" ? "bg-bad" : line.tone === "warn" ? "bg-warn" : "bg-series-1")}
              style={{ marginLeft: `${(100 * line.bar.from) / whole}%`, width: `${(100 * Math.max(0, line.bar.to - line.bar.from)) / whole}%` }}
            />
          </span>
        )}
        {line.more.length > 0 && (
          <ul className="mt-1 flex flex-col gap-0.5 text-console text-ink-2">
            {line.more.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        )}
        {line.way && (
          <Go to={line.way.to} search={{ open: line.way.open }} button="plain" className="mt-2">
            {line.way.name}
            <ChevronRight size={16} strokeWidth={1.75} aria-hidden />
          </Go>
        )}
      </div>
    </li>
  );
}
