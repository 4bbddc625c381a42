/** Where one can go: the rail, the bottom bar, the palette and the `g` keys all read this list. */

import { KeyRound, MessageSquare, Settings } from "lucide-react";
import { consolePlaces } from "@/console/places";
import type { Place } from "./place";

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
