/** The session ended while a page was open: the shell asks in place, the page stays. */

import { signal } from "./signal";

export const isSessionOver = signal(false);

/** Pages in which nobody is signed in yet must not be told that a session is over. */
let wasSignedIn = false;

export function signedInNow(is: boolean): void {
  wasSignedIn = is;
  if (is) isSessionOver.set(false);
}

export function sessionOver(): void {
  if (wasSignedIn) isSessionOver.set(true);
}
