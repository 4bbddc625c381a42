/** The typed client of the control plane; its types come from the OpenAPI document (`make pages`). */

import createClient, { type Middleware } from "openapi-fetch";
import { ApiError, Unreachable, errorOf } from "./errors";
import { reached, unreachable } from "./reach";
import type { components, paths } from "./schema";
import { sessionOver } from "./session-over";

export type Schemas = components["schemas"];

/** What `GET path` answers. */
export type Got<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer T } } } };
}
  ? T
  : never;

/** `fetch` that knows about servers being away and sessions being over. Throws `Unreachable`, never a TypeError. */
export async function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(input, { credentials: "same-origin", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    unreachable();
    throw new Unreachable();
  }
  reached();
  return response;
}

const intoErrors: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    throw await refused(response);
  },
};

/** Reads an error's answer; tells the shell when the session is over. */
export async function refused(response: Response): Promise<ApiError> {
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = null; // a proxy's page; the status alone has to do
  }
  const error = errorOf(response, body);
  if (error.isSignedOut && !new URL(response.url, location.href).pathname.startsWith("/api/v1/session")) sessionOver();
  return error;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: (request: Request) => send(request) });
api.use(intoErrors);

/** The data of an answer; errors were thrown before. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
