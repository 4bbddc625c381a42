/** The console's pages, each in a file of its own and loaded when it is opened. */

import type { AnyRoute } from "@tanstack/react-router";

export const consoleRoutes: AnyRoute[] = [];
