import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { Field } from "@/parts/Field";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { addPasskey, deviceName, passkeysWorkHere } from "@/shell/passkey";

/** The ways in that are one's own, and where one is signed in. */
export function Security(): ReactNode {
  return (
    <div className="flex flex-col gap-6">
      <Passkeys />
      <Sessions />
      <Password />
    </div>
  );
}

function Passkeys(): ReactNode {
  const session = useSession().data;
  const client = useQueryClient();
  const [error, setError] = useState("");
  const list = useQuery({ queryKey: ["my-passkeys"], queryFn: async () => (await data(api.GET("/api/v1/me/passkeys")))! });
  const changed = (): Promise<void> => client.invalidateQueries({ queryKey: ["my-passkeys"] });
  const failed = (cause: unknown): void => setError(cause instanceof DOMException ? "No passkey was made." : sentenceOf(cause));
  const add = useMutation({
    mutationFn: (name: string) => addPasskey(name),
    onMutate: () => setError(""),
    onSuccess: () => {
      say("Passkey added.");
      return changed();
    },
    onError: failed,
  });
  const remove = useMutation({
    mutationFn: (id: string) => data(api.DELETE("/api/v1/me/passkeys/{passkey_id}", { params: { path: { passkey_id: id } } })),
    onMutate: () => setError(""),
    onSuccess: changed,
    onError: failed,
  });
  const works = (session?.passkeys ?? false) && passkeysWorkHere();
  return (
    <Card title="Passkeys">
      <Panel query={list} rows={2}>
        {({ data: rows }) =>
          rows.length === 0 ? (
            <p className="text-ink-2">No passkey yet. With one you sign in by fingerprint, face or PIN, and nothing can be phished.</p>
          ) : (
            <ul className="divide-y divide-line" aria-label="Passkeys">
              {rows.map((row) => (
                <li key={row.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
                  <span className="grow font-medium">{row.name}</span>
                  <span className="text-console text-ink-2">
                    added <Time at={row.created_at} relative />, {row.last_used_at === null ? "not used yet" : <>last used <Time at={row.last_used_at} relative /></>}
                  </span>
                  <Button small onClick={() => remove.mutate(row.id)} aria-label={`Remove passkey ${row.name}`}>
                    Remove
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Panel>
      {error && (
        <p role="alert" className="text-bad">
          {error}
        </p>
      )}
      {works ? (
        <form
          className="flex flex-wrap items-end gap-2"
          onSubmit={(event: FormEvent<HTMLFormElement>) => {
            event.preventDefault();
            add.mutate(String(new FormData(event.currentTarget).get("name")).trim() || deviceName());
          }}
        >
          <div className="min-w-40 grow">
            <Field label="Name of a new passkey" name="name" defaultValue={deviceName()} maxLength={200} />
          </div>
          <Button type="submit" busy={add.isPending}>
            Add a passkey
          </Button>
        </form>
      ) : (
        <p className="text-console text-ink-2">Passkeys need https or localhost. Open Doorward there to add one.</p>
      )}
    </Card>
  );
}

const HOW: Record<string, string> = { passkey: "by passkey", password: "by password", oidc: "by single sign-on", setup: "by the set-up link", invitation: "by invitation" };

function Sessions(): ReactNode {
  const client = useQueryClient();
  const list = useQuery({ queryKey: ["my-sessions"], queryFn: async () => (await data(api.GET("/api/v1/me/sessions")))! });
  const changed = (): Promise<void> => client.invalidateQueries({ queryKey: ["my-sessions"] });
  const end = useMutation({
    mutationFn: (id: string) => data(api.DELETE("/api/v1/me/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSuccess: changed,
  });
  const endOthers = useMutation({
    mutationFn: () => data(api.DELETE("/api/v1/me/sessions")),
    onSuccess: (done) => {
      say(done!.ended === 1 ? "1 session ended." : `${done!.ended} sessions ended.`);
      return changed();
    },
  });
  const error = end.error ?? endOthers.error;
  return (
    <Card title="Sessions">
      <Panel query={list} rows={2} className="flex flex-col gap-4">
        {({ data: rows }) => (
          <>
            <ul className="divide-y divide-line" aria-label="Sessions">
              {rows.map((row) => (
                <li key={row.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
                  <span className="grow">
                    <span className="font-medium">{device(row.agent)}</span> {row.current && <Tag tone="good">this one</Tag>}
                    <span className="block text-console text-ink-2">
                      {row.from_addr || "unknown address"}, {HOW[row.how] ?? row.how}, last seen <Time at={row.last_seen_at} relative />
                    </span>
                  </span>
                  {!row.current && (
                    <Button small onClick={() => end.mutate(row.id)}>
                      End
                    </Button>
                  )}
                </li>
              ))}
            </ul>
            {rows.length > 1 && (
              <div>
                <Button small busy={endOthers.isPending} onClick={() => endOthers.mutate()}>
                  End all others
                </Button>
              </div>
            )}
          </>
        )}
      </Panel>
      {error && (
        <p role="alert" className="text-bad">
          {sentenceOf(error)}
        </p>
      )}
    </Card>
  );
}

function Password(): ReactNode {
  const [done, setDone] = useState(false);
  const change = useMutation({
    mutationFn: (body: { current?: string; password: string }) => data(api.PUT("/api/v1/me/password", { body })),
    gcTime: 0,
    onSuccess: () => {
      setDone(true);
      say("Password changed. Your other sessions ended.");
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const element = event.currentTarget;
    const form = new FormData(element);
    const current = String(form.get("current"));
    setDone(false);
    change.mutate(
      { password: String(form.get("password")), ...(current && { current }) },
      { onSuccess: () => element.reset(), onSettled: (_, cause) => cause === null && change.reset() },
    );
  };
  return (
    <Card title="Password">
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label="Current password" name="current" type="password" autoComplete="current-password" hint="Leave it empty if you have none." />
        <Field label="New password" name="password" type="password" required minLength={8} autoComplete="new-password" hint="Your other sessions end." />
        {change.error && (
          <p role="alert" className="text-bad">
            {sentenceOf(change.error)}
          </p>
        )}
        <div className="flex items-center gap-3">
          <Button type="submit" busy={change.isPending}>
            Change password
          </Button>
          {done && <span>Password changed.</span>}
        </div>
      </form>
    </Card>
  );
}

/** `Firefox on Linux` out of what a browser says it is. */
function device(agent: string): string {
  const browser = /Edg|Firefox|Chrome|Safari|curl|python/i.exec(agent)?.[0] ?? "";
  const system = /iPhone|iPad|Android|Windows|Mac OS X|CrOS|Linux/.exec(agent)?.[0] ?? "";
  const name = { Edg: "Edge", "Mac OS X": "macOS" } as Record<string, string>;
  return [name[browser] ?? browser, name[system] ?? system].filter(Boolean).join(" on ") || "Unknown device";
}
