import { createContext, useContext, useSyncExternalStore } from "react";
import type { Chat, View } from "./chat";
import type { Said } from "./said";

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error("no chat around this");
  return chat;
}

export function useView(): View {
  const chat = useChat();
  return useSyncExternalStore(chat.view.watch, chat.view.get);
}

/** The text of a message, as it grows. */
export function useText(said: Said): string {
  const text = useChat().text(said);
  return useSyncExternalStore(text.watch, text.get);
}
