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
}

/** A conversation in the list; of a search, with where it was found. */
export interface Listed {
  id: string;
  title: string;
  at: number;
  excerpt?: string;
  /** The message that was found. */
  messageId?: string;
}

export interface ToolCall {
  tool_call_id: string;
  name: string;
  /** JSON, as the model wrote it. */
  arguments: string;
}

/** What an answer did: asked the model, ran a tool, met a limit, or came to wait for a person. */
export interface Step {
  kind: string;
  details: {
    text?: string | null;
    tool_calls?: ToolCall[];
    call_id?: string;
    tool_call_id?: string;
    name?: string;
    result?: string;
    failed?: boolean;
    took_ms?: number;
    waits_for?: ToolCall[];
    decisions?: Record<string, boolean>;
    limit?: string;
  };
}

export interface StoredMessage {
  id: string;
  parent_id: string | null;
  role: string;
  text: string;
  /** Of a question: its text and images; of an answer: its steps, each with its kind as `type`. */
  parts: ({ type: string; image_url?: { url: string } } & Step["details"])[] | null;
  model: string | null;
  stopped: boolean;
  call_id: string | null;
  created_at: number;
  siblings: string[];
}

export interface ConversationRead extends Conversation {
  messages: StoredMessage[];
  has_more: boolean;
}

interface Found {
  conversation_id: string;
  title: string;
  message_id: string;
  excerpt: string;
  created_at: number;
}

const PAGE = 50;

async function call<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await send(path, init && { ...init, headers: { "content-type": "application/json" } });
  if (!response.ok) throw await refused(response);
  return (await response.json()) as T;
}

/** The one used last first; with words, those whose messages hold them all, each once. */
export function conversationsQuery(words: string) {
  return infiniteQueryOptions({
    queryKey: ["conversations", words],
    queryFn: async ({ pageParam }): Promise<{ data: Listed[]; has_more: boolean }> => {
      if (words) {
        const { data } = await call<{ data: Found[] }>(`/apps/conversations/search?${new URLSearchParams({ q: words, limit: "50" })}`);
        const first = new Map(data.map((row): [string, Listed] => [row.conversation_id, { id: row.conversation_id, title: row.title, at: row.created_at, excerpt: row.excerpt, messageId: row.message_id }]).reverse());
        return { data: [...first.values()].reverse(), has_more: false };
      }
      const query = new URLSearchParams({ limit: String(PAGE), ...(pageParam && { before: pageParam }) });
      const page = await call<{ data: Conversation[]; has_more: boolean }>(`/apps/conversations?${query}`);
      return { data: page.data.map((row) => ({ id: row.id, title: row.title, at: row.updated_at })), has_more: page.has_more };
    },
    initialPageParam: "",
    getNextPageParam: (last) => (last.has_more ? last.data.at(-1)?.id : undefined),
    staleTime: 30_000,
  });
}

/** The newest messages of the branch that is shown, or those before one. */
export function readConversation(id: string, before?: string, limit: number = PAGE): Promise<ConversationRead> {
  const query = new URLSearchParams({ limit: String(limit), ...(before && { before }) });
  return call<ConversationRead>(`/apps/conversations/${encodeURIComponent(id)}?${query}`);
}

/** A message and all that follows it. Throws 404 for one that is not on the branch that is shown. */
export function readSince(id: string, messageId: string): Promise<ConversationRead> {
  return call<ConversationRead>(`/apps/conversations/${encodeURIComponent(id)}?${new URLSearchParams({ since: messageId })}`);
}

export function exportPath(id: string, format: "json" | "markdown"): string {
  return `/apps/conversations/${encodeURIComponent(id)}/export?format=${format}`;
}

/** `leaf_id`: show the branch through this message, as far as it was written last. */
export async function change(id: string, changes: { title?: string; model?: string; leaf_id?: string }): Promise<Conversation> {
  const changed = await call<Conversation>(`/apps/conversations/${encodeURIComponent(id)}`, { method: "PATCH", body: JSON.stringify(changes) });
  if (changes.title !== undefined) await listChanged();
  return changed;
}

export async function remove(id: string): Promise<void> {
  await call(`/apps/conversations/${encodeURIComponent(id)}`, { method: "DELETE" });
  await listChanged();
}

/** A list that was asked for before the change must not stand as its answer: without data it would not be asked again. */
export async function listChanged(): Promise<void> {
  await queries.cancelQueries({ queryKey: ["conversations"] });
  await queries.invalidateQueries({ queryKey: ["conversations"] });
}

/** A conversation that has just begun stands on top of the list; the server has it once its first answer is whole. */
export function listBegun(id: string, title: string): void {
  const { queryKey } = conversationsQuery("");
  queries.setQueryData(queryKey, (known) => {
    const [first, ...rest] = known?.pages ?? [];
    if (!known || !first || first.data.some((row) => row.id === id)) return known;
    return { ...known, pages: [{ ...first, data: [{ id, title, at: Date.now() / 1000 }, ...first.data] }, ...rest] };
  });
}

export interface Prompt {
  name: string;
  version: number;
  text: string;
  variables: string[];
}

export async function prompts(): Promise<Prompt[]> {
  return (await call<{ data: Prompt[] }>("/apps/prompts")).data;
}

export interface Tool {
  name: string;
  description: string;
  /** A person is asked before each call. */
  approve: boolean;
  /** Doorward's own, which is always there. */
  built_in: boolean;
}

export async function tools(): Promise<Tool[]> {
  return (await call<{ data: Tool[] }>("/apps/agent/tools")).data;
}
