/** Which models one can choose, and which were used last. */

import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";

export interface Model {
  id: string;
  provider: string;
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
