/** Where Doorward is, and a client key. In a page of Doorward's own neither is needed: the session is used. */
export interface Connection {
  /** The server's address, for example `https://doorward.example.com`. */
  baseUrl?: string;
  /** A client key, `dw-…`. It is kept in memory alone. */
  key?: string;
}

export interface ProxyInit extends RequestInit, Connection {}

/** `/v1/apis/http/NAME/PATH`, with a query if there is one. */
export type AdapterPath = `/v1/apis/http/${string}`;

/** From now on, for all calls. Without arguments: back to the page's session. */
export function connect(connection?: Connection): void;

/**
 * `fetch` through an adapter. Rejects as `fetch` does, and with a `TypeError` for a path that is not an adapter's.
 * Doorward's own refusals are answers of the shape `{ error: { message, type, param, code } }`.
 */
export function proxyFetch(path: AdapterPath | string, init?: ProxyInit): Promise<Response>;

/** A `proxyFetch` with a connection of its own. */
export function proxyFetchWith(options: ProxyInit): (path: AdapterPath | string, init?: ProxyInit) => Promise<Response>;

export { proxyFetch as atlasProxyFetch };
