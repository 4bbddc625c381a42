/** What was typed and not sent, per user and conversation. In `sessionStorage`: gone with the tab, wiped at sign-out. */

import { looksLikeKey } from "./keylike";

const name = (user: string, conversation: string | null): string => `doorward.draft.${user}.${conversation ?? "new"}`;

export function storedDraft(user: string, conversation: string | null): string {
  try {
    return sessionStorage.getItem(name(user, conversation)) ?? "";
  } catch {
    return "";
  }
}

/** An empty text forgets the draft; one that looks like a key is never stored. */
export function storeDraft(user: string, conversation: string | null, text: string): void {
  try {
    if (!text.trim() || looksLikeKey(text)) sessionStorage.removeItem(name(user, conversation));
    else sessionStorage.setItem(name(user, conversation), text);
  } catch {
    // full or barred: the text stays in its field
  }
}
