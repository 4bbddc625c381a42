/**
 * proxyFetch: any API behind a Doorward adapter, called as `fetch` calls a page's own server.
 *
 *     import { proxyFetch } from "/client.js";
 *     const answer = await proxyFetch("/v1/apis/http/openai/v1/models");
 *
 * In a page of Doorward's own it goes by the session (`/api/v1/apis/http/…`) and needs nothing else.
 * Elsewhere name the server and a client key, once with `connect({ baseUrl, key })` or in each call's
 * `init`. The key stays in this module's memory: it is never stored and never sent to another host.
 */

const PREFIX = "/v1/apis/http/";

const state = { baseUrl: undefined, key: undefined };

/** Where Doorward is and the client key to use, for all calls from now on. */
export function connect({ baseUrl, key } = {}) {
  state.baseUrl = baseUrl === undefined ? undefined : originOf(baseUrl);
  state.key = key;
}

/** A version of `proxyFetch` with settings of its own. */
export function proxyFetchWith(options) {
  return (path, init = {}) => proxyFetch(path, { ...options, ...init });
}

export async function proxyFetch(path, init = {}) {
  const { baseUrl = state.baseUrl, key = state.key, ...rest } = init;
  const base = baseUrl === undefined ? ownOrigin() : originOf(baseUrl);
  const bySession = key === undefined || key === "";
  const target = base + (bySession ? "/api" : "") + checked(path);
  const headers = new Headers(rest.headers);
  if (!bySession) {
    headers.set("authorization", `Bearer ${key}`);
  }
  return fetch(target, {
    // Following a redirect would leave the adapter; the answer then says `type: "opaqueredirect"`.
    redirect: "manual",
    ...rest,
    headers,
    credentials: bySession ? "same-origin" : "omit",
  });
}

export { proxyFetch as atlasProxyFetch };

function checked(path) {
  const text = String(path);
  if (!text.startsWith(PREFIX) || text.includes("\\") || text.includes("#")) {
    throw new TypeError(`proxyFetch takes a path that begins with ${PREFIX}, for example ${PREFIX}openai/v1/models`);
  }
  // What URL parsers would fold away is refused here with a clear word, not sent elsewhere.
  const segments = text.split("?")[0].split("/").slice(1);
  if (segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    throw new TypeError("proxyFetch: the path has a segment . or ..");
  }
  return text;
}

function ownOrigin() {
  const origin = globalThis.location?.origin;
  if (origin === undefined || origin === "null") {
    throw new TypeError('proxyFetch: outside a page, say where Doorward is: connect({ baseUrl: "https://…", key: "dw-…" })');
  }
  return origin;
}

function originOf(baseUrl) {
  const url = new URL(baseUrl, globalThis.location?.href);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new TypeError("proxyFetch: baseUrl begins with https:// or http://");
  }
  return url.origin;
}
