/** One place where one can go. */

import type { LucideIcon } from "lucide-react";

export interface Place {
  to: string;
  name: string;
  group: "chat" | "mine" | "admin";
  icon: LucideIcon;
  /** After `g`. */
  letter?: string;
  /** In the bottom bar of a phone. */
  bottom?: boolean;
  /** Needs somebody signed in: absent in custody anonymous. */
  people?: boolean;
}
