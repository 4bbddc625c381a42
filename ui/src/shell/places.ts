/** Where one can go: the rail, the bottom bar, the palette and the `g` keys all read this list. */

import { KeyRound, MessageSquare, Settings, type LucideIcon } from "lucide-react";
import { consolePlaces } from "@/console/places";

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

export const PLACES: Place[] = [
  { to: "/", name: "Chat", group: "chat", icon: MessageSquare, letter: "c", bottom: true },
  ...consolePlaces.filter((place) => place.group === "mine"),
  { to: "/keys", name: "Keys", group: "mine", icon: KeyRound, letter: "k", people: true },
  { to: "/settings/openai", name: "Settings", group: "mine", icon: Settings, bottom: true },
  ...consolePlaces.filter((place) => place.group === "admin"),
];


export function placesFor({ admin, people }: { admin: boolean; people: boolean }): Place[] {
  return PLACES.filter((place) => (place.group !== "admin" || admin) && (!place.people || people));
}
