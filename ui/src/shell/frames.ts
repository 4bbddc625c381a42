/** What pages hang from: `root` for those outside the sign-in wall, `shell` for those behind it. */

import { createRootRoute, createRoute } from "@tanstack/react-router";
import { Shell } from "./Shell";

export const root = createRootRoute();

export const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
