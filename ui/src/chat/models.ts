/** Which models one can choose, and which were used last. */

import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";

export interface Model {
  id: string;
  provider: string;
  /** Tokens that it reads and writes together; `null`: not known. */
  context_tokens: number | null;
}

export const SIMULATED = "sim-gpt-4o-mini";
const KEY = "doorward.models";
const KEPT = 5;
/** Models that do not chat are not offered here. */
const NOT_CHAT = /embedding|whisper|tts|dall-e|image|moderation|audio|realtime|transcribe|davinci|babbage|sora|computer-use/i;

/** Loads behind the composer, which works without it. */
export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: async (): Promise<Model[]> => (await data(api.GET("/api/v1/models")))!.data.filter((model) => !NOT_CHAT.test(model.id)),
    staleTime: 300_000,
  });
}

export function useShell() {
  return useQuery({ queryKey: ["shell"], queryFn: async () => (await data(api.GET("/api/v1/shell")))!, staleTime: Infinity });
}

export function lastUsed(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((id): id is string => typeof id === "string").slice(0, KEPT) : [];
  } catch {
    return [];
  }
}

export function used(model: string): void {
  try {
    localStorage.setItem(KEY, JSON.stringify([model, ...lastUsed().filter((id) => id !== model)].slice(0, KEPT)));
  } catch {
    // the list starts over with the next page
  }
}

/** Providers with their models; those used last in a group of their own, on top. */
export function grouped(models: Model[], words: string): [string, Model[]][] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = models.filter((model) => wanted.every((word) => `${model.provider}/${model.id}`.toLowerCase().includes(word)));
  const recent = lastUsed().flatMap((id) => found.filter((model) => model.id === id));
  const groups = new Map<string, Model[]>(recent.length ? [["Used last", recent]] : []);
  for (const model of found) {
    if (recent.includes(model)) continue;
    groups.set(model.provider, [...(groups.get(model.provider) ?? []), model]);
  }
  return [...groups];
}

/** Those that read the most first, of the same words; what is not known comes last. */
export function largest(models: Model[], words: string): [string, Model[]][] {
  const found = grouped(models, words).flatMap(([, group]) => group);
  const sorted = found.toSorted((a, b) => (b.context_tokens ?? -1) - (a.context_tokens ?? -1));
  return sorted.length > 0 ? [["Largest first", sorted]] : [];
}

/** `128k`, `1M` tokens. */
export function contextWord(tokens: number | null): string {
  if (tokens === null) return "size unknown";
  return tokens >= 1_000_000 ? `${(tokens / 1_000_000).toFixed(1).replace(/\.0$/, "")}M tokens` : `${Math.round(tokens / 1000)}k tokens`;
}
