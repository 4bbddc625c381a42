/** The console's places in the rail, in their order. A page stands here only once it works. */

import type { Place } from "@/shell/places";

export const consolePlaces: Place[] = [];
