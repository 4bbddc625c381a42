/** The state of a page is its address: filters, range, page, open row. Everything absent is left out of it. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Search = Record<string, string | undefined>;

/** Of what an address says only the names that the page knows, as text; empty ones and objects are dropped. */
export function only(names: readonly string[]): (search: Record<string, unknown>) => Search {
  return (search) => {
    const kept: Search = {};
    for (const name of names) {
      const value = search[name];
      if (typeof value === "string" && value !== "") kept[name] = value;
      else if (typeof value === "number" && Number.isFinite(value)) kept[name] = String(value);
      else if (value === true) kept[name] = "true";
    }
    return kept;
  };
}

/** `before` with `change`; what is empty or undefined goes. */
export function changed(before: Search, change: Search): Search {
  const after: Search = {};
  for (const [name, value] of Object.entries({ ...before, ...change })) if (value !== undefined && value !== "") after[name] = value;
  return after;
}

/** The page's search parameters, and how to change some of them. A change of filters is a step that Back undoes. */
export function useUrl(): [Search, (change: Search, options?: { replace?: boolean }) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (change: Search, { replace = false } = {}) => {
      void navigate({ to: ".", search: ((before: Search) => changed(before, change)) as never, replace, resetScroll: false });
    },
    [navigate],
  );
  return [search, set];
}

/** A query string of the server's: names and values, absent ones left out. */
export function query(values: Record<string, string | number | boolean | undefined>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== "" && value !== false) parts.set(name, String(value));
  return parts.toString();
}
