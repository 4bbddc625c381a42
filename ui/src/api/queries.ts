/** The one cache of answers. Refusals are not tried again by themselves; absences are, once Doorward is back. */

import { QueryClient } from "@tanstack/react-query";
import { onBack } from "./reach";

export const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: false, staleTime: 5_000, refetchOnWindowFocus: false, networkMode: "always" },
    mutations: { retry: false, networkMode: "always" },
  },
});

onBack(() => void queries.refetchQueries({ type: "active" }));
