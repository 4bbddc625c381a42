/** Who is signed in, and which kind of Doorward this is. Every page may ask `useSession()`. */

import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { type Got, api, data } from "./client";
import { signedInNow } from "./session-over";

export type Session = Got<"/api/v1/session">;

export const sessionQuery = {
  queryKey: ["session"],
  queryFn: async (): Promise<Session> => {
    const session = (await early()) ?? (await data(api.GET("/api/v1/session")));
    signedInNow(session.user !== null);
    return session;
  },
  staleTime: 60_000,
};

/** What `public/look.js` asked for before this was loaded, once; `null`: ask again, and hear what is wrong. */
async function early(): Promise<Session | null> {
  const answer = window.doorwardSession;
  delete window.doorwardSession;
  const response = await answer;
  return response?.ok ? ((await response.json()) as Session) : null;
}

declare global {
  interface Window {
    doorwardSession?: Promise<Response | null>;
  }
}

export function useSession(): UseQueryResult<Session> {
  return useQuery(sessionQuery);
}

export function hasLogin(session: Session): boolean {
  return session.custody !== "anonymous";
}

export function isAdmin(session: Session | undefined): boolean {
  return session?.user?.role === "admin";
}

/**
 * Ends the session, and the page with it: drafts, answers and open conversations are another's to see no more. A new page,
 * not a step of the router: what is still drawn would ask who is signed in, and lead to the sign-in page on its own.
 */
export async function signOut(): Promise<void> {
  const done = await data(api.DELETE("/api/v1/session"));
  sessionStorage.clear();
  signedInNow(false);
  location.assign(done.logout_url ?? "/signin");
}
