import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { api, data } from "@/api/client";
import { ApiError, sentenceOf } from "@/api/errors";
import { hasLogin, isAdmin, useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { SecretField } from "@/parts/Field";
import { say } from "@/parts/StatusRegion";

export interface KeyState {
  query: UseQueryResult<{ configured: boolean }>;
  /** Each user has a key of their own. */
  own: boolean;
  /** Whoever looks may store a key. */
  maySet: boolean;
}

/** Whether the key that this viewer's calls would use is stored. Nothing more is ever known of it. */
export function useKeyState(): KeyState {
  const session = useSession().data;
  const own = session?.custody === "per_user";
  const query = useQuery({
    queryKey: ["openai-key"],
    queryFn: async (): Promise<{ configured: boolean }> =>
      own ? (await data(api.GET("/api/v1/me/openai-key")))! : (await data(api.GET("/api/v1/openai-key")))!,
    enabled: session !== undefined,
  });
  return { query, own, maySet: session !== undefined && (own || !hasLogin(session) || isAdmin(session)) };
}

/** What only looks like a slip of the hand is told before it is sent; the server checks again. */
function slip(key: string): string | undefined {
  if (!key.trim()) return "Paste a key first.";
  if (!key.trim().startsWith("sk-")) return "That does not look like an OpenAI key (it starts with sk-).";
  return undefined;
}

/** One field and one button. The key goes from the field into one request; nothing else here ever holds it. */
export function KeyForm({ saved, autoFocus = false, mustAsk = false, wide = false }: { saved?: () => void; autoFocus?: boolean; mustAsk?: boolean; wide?: boolean }): ReactNode {
  const { own } = useKeyState();
  const client = useQueryClient();
  const field = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<string>();
  const [asks, setAsks] = useState(false);

  const save = useMutation({
    mutationFn: (key: string) =>
      own ? data(api.PUT("/api/v1/me/openai-key", { body: { key } })) : data(api.PUT("/api/v1/openai-key", { body: { key } })),
    gcTime: 0, // a finished request is forgotten with what was sent
    onSettled: () => setAsks(false),
    onSuccess: async () => {
      if (field.current) field.current.value = "";
      field.current?.focus();
      client.setQueryData(["openai-key"], { configured: true });
      say("Key saved. Configured.");
      void client.invalidateQueries({ queryKey: ["models"] });
      saved?.();
    },
    onError: (cause) => setError(cause instanceof ApiError ? cause.message : sentenceOf(cause)),
  });

  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    const key = field.current?.value ?? "";
    const wrong = slip(key);
    setError(wrong);
    if (wrong) return;
    if (mustAsk && !asks) {
      setAsks(true);
      return;
    }
    save.mutate(key, { onSettled: () => save.reset() });
  };

  return (
    <form onSubmit={submit} className="flex flex-col gap-3" autoComplete="off">
      <SecretField ref={field} label="OpenAI API key" placeholder="sk-..." error={error} autoFocus={autoFocus} onChange={() => error && setError(undefined)} />
      {asks ? (
        <div role="alertdialog" aria-label="Replace the key" className="flex flex-wrap items-center gap-2 rounded-card bg-warn-tint p-3">
          <span className="grow">This replaces the key somebody stored. Go on?</span>
          <Button kind="main" small busy={save.isPending} onClick={() => submit()} autoFocus>
            Replace
          </Button>
          <Button small onClick={() => setAsks(false)}>
            Keep
          </Button>
        </div>
      ) : (
        <Button type="submit" kind="main" busy={save.isPending} className={wide ? "" : "self-start"}>
          Save key
        </Button>
      )}
    </form>
  );
}
