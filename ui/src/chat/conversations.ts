/** Conversations as the server keeps them: the list, the search, one conversation, and what changes them. */

import { infiniteQueryOptions } from "@tanstack/react-query";
import { refused, send } from "@/api/client";
import { queries } from "@/api/queries";

export interface Conversation {
  id: string;
  title: string;
  model: string;
  prompt: string | null;
  created_at: number;
  updated_at: number;
  leaf_id?: string | null;
  /** Of a search: where it was found. */
  excerpt?: string;
  message_id?: string;
}

export interface ConversationPage {
  data: Conversation[];
  after: string | null;
}

export async function call<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await send(path, init && { ...init, headers: { "content-type": "application/json", ...init.headers } });
  if (!response.ok) throw await refused(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** The one used last first; with words, those whose messages hold them all. */
export function conversationsQuery(words: string) {
  return infiniteQueryOptions({
    queryKey: ["conversations", words],
    queryFn: async ({ pageParam }): Promise<ConversationPage> => {
      const query = new URLSearchParams({ limit: "50" });
      if (pageParam) query.set("after", pageParam);
      return call<ConversationPage>(`/apps/conversations?${query}`);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.after ?? undefined,
    staleTime: 30_000,
  });
}

export async function rename(id: string, title: string): Promise<void> {
  await call(`/apps/conversations/${id}`, { method: "PATCH", body: JSON.stringify({ title }) });
  await listChanged();
}

export async function remove(id: string): Promise<void> {
  await call(`/apps/conversations/${id}`, { method: "DELETE" });
  await listChanged();
}

export function listChanged(): Promise<void> {
  return queries.invalidateQueries({ queryKey: ["conversations"] });
}
