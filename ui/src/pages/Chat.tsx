import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type ReactNode, Suspense, lazy, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Chat as Conversation } from "@/chat/chat";
import { ChatHeader } from "@/chat/ChatHeader";
import { Composer, type ComposerHandle } from "@/chat/Composer";
import { ChatContext } from "@/chat/context";
import { EmptyChat } from "@/chat/EmptyChat";
import { SIMULATED, lastUsed, useModels, useShell } from "@/chat/models";
import { useTitle } from "@/parts/Page";
import { useKeyState } from "./KeyForm";

const bringThread = () => import("@/chat/Thread");
const Thread = lazy(async () => ({ default: (await bringThread()).Thread }));
const FromCode = lazy(async () => ({ default: (await import("@/chat/FromCode")).FromCode }));

const FIRST_QUESTION = "Say hello in three languages";

/** Conversations that are open in this tab, so that an answer goes on while one looks elsewhere. */
const open = new Map<string, Conversation>();
let fresh = new Conversation(null);

/** `/` and `/c/<id>` are one page: a new conversation gets its id while its first answer streams. */
export function Chat(): ReactNode {
  const { id } = useParams({ strict: false });
  const { first, m: found } = useSearch({ strict: false }) as { first?: boolean; m?: string };
  const navigate = useNavigate();
  const chat = chatOf(id ?? null);
  useEffect(() => {
    chat.onNamed = (named) => {
      if (named === null) {
        // nothing of it was stored: it is a new chat again, with its question on the page
        for (const [key, one] of open) if (one === chat) open.delete(key);
        fresh = chat;
        if (currentId() !== null) void navigate({ to: "/", search: currentFirst(), replace: true });
        return;
      }
      open.set(named, chat);
      if (fresh === chat) fresh = new Conversation(null);
      if (currentId() === null) void navigate({ to: "/c/$id", params: { id: named }, search: currentFirst(), replace: true });
    };
  }, [chat, navigate]);
  useEffect(() => {
    if (found) void chat.find(found);
    else {
      chat.forget();
      void chat.load();
    }
  }, [chat, found]);
  return (
    <ChatContext value={chat}>
      <Room key={chat.key} chat={chat} isFirst={first ?? false} />
    </ChatContext>
  );
}

function currentId(): string | null {
  return /^\/c\/(.+)$/.exec(location.pathname)?.[1] ?? null;
}

/** The first run goes on under the new address. */
function currentFirst(): { first?: boolean } {
  return new URLSearchParams(location.search).has("first") ? { first: true } : {};
}

function chatOf(id: string | null): Conversation {
  if (id === null) return fresh;
  let chat = open.get(id);
  if (!chat) open.set(id, (chat = new Conversation(id)));
  return chat;
}

function Room({ chat, isFirst }: { chat: Conversation; isFirst: boolean }): ReactNode {
  const view = useSyncExternalStore(chat.view.watch, chat.view.get);
  const composer = useRef<ComposerHandle>(null);
  const { model, needsKey, isKnown } = useModel(view.model, isFirst);
  // the composer is there first; what draws conversations comes while one types
  useEffect(() => void setTimeout(() => void bringThread(), 300), []);
  useTitle(view.id === null ? "Chat" : view.title || "Chat");

  useEffect(() => {
    chat.defaultModel = model;
  }, [chat, model]);

  const isEmpty = view.said.length === 0 && view.id === null;
  // not before it is known who answers: Enter would ask a model that has no key
  const ready = isFirst && isKnown && !needsKey;
  useEffect(() => {
    if (ready && chat.view.get().said.length === 0) composer.current?.fill(FIRST_QUESTION, true);
  }, [ready, chat]);

  const finished = isFirst && view.said.at(-1)?.role === "assistant" && view.said.at(-1)?.state === "stored" && !view.isRunning;
  return (
    <div className="flex h-full flex-col" data-first-run={isFirst ? "" : undefined}>
      <ChatHeader model={model} choose={(chosen) => chat.choose({ model: chosen })} />
      {isEmpty ? (
        <div className="flex min-h-0 flex-1 flex-col justify-center overflow-y-auto pt-8 max-wide:justify-end">
          <EmptyChat needsKey={needsKey} model={model} ask={(text) => void chat.ask({ text, images: [] })} choose={(chosen) => chat.choose({ model: chosen })} />
        </div>
      ) : (
        <Suspense fallback={<div className="flex-1" />}>
          <Thread />
        </Suspense>
      )}
      <Suspense>{finished && <FromCode />}</Suspense>
      <Composer ref={composer} model={model} />
      {isEmpty && <div className="flex-[0.6] max-wide:hidden" />}
    </div>
  );
}

/** The model that is chosen, used last, or the operator's; and whether nothing can answer under it yet. */
function useModel(chosen: string | null, isFirst: boolean): { model: string; needsKey: boolean; isKnown: boolean } {
  const shell = useShell().data;
  const models = useModels().data;
  const configured = useKeyState().query.data?.configured;
  const [remembered] = useState(() => lastUsed()[0]);
  const usable = (id: string): boolean => models === undefined || models.some((model) => model.id === id);
  const firstRun = isFirst && configured === false ? SIMULATED : undefined;
  const model = chosen ?? firstRun ?? (remembered && usable(remembered) ? remembered : (shell?.default_model ?? remembered ?? ""));
  const isListed = models?.some((one) => one.id === model) ?? false;
  return { model, needsKey: configured === false && !isListed && !model.startsWith("sim-"), isKnown: configured !== undefined };
}
