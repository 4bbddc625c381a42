/** Who is signed in, and which kind of Doorward this is. Every page may ask `useSession()`. */

import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { type Got, api, data } from "./client";
import { queries } from "./queries";
import { signedInNow } from "./session-over";

export type Session = Got<"/api/v1/session">;

export const sessionQuery = {
  queryKey: ["session"],
  queryFn: async (): Promise<Session> => {
    const session = await data(api.GET("/api/v1/session"));
    signedInNow(session.user !== null);
    return session;
  },
  staleTime: 60_000,
};

export function useSession(): UseQueryResult<Session> {
  return useQuery(sessionQuery);
}

export function hasLogin(session: Session): boolean {
  return session.custody !== "anonymous";
}

export function isAdmin(session: Session | undefined): boolean {
  return session?.user?.role === "admin";
}

/** Ends the session; drafts go with it. -> where to go on. */
export async function signOut(): Promise<string> {
  const done = await data(api.DELETE("/api/v1/session"));
  sessionStorage.clear();
  signedInNow(false);
  queries.clear();
  return done.logout_url ?? "/signin";
}
