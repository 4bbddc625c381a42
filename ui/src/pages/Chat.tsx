import type { ReactNode } from "react";

export function NewChat(): ReactNode {
  return null;
}

export function StoredChat(): ReactNode {
  return null;
}
