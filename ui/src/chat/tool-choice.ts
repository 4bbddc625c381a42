/** Which tools answers may use, as it was chosen last in this tab; wiped at sign-out. */

const KEY = "doorward.tools";

export function chosenTools(): string[] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((name): name is string => typeof name === "string") : [];
  } catch {
    return [];
  }
}

export function keepTools(names: string[]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(names));
  } catch {
    // full or barred: the choice goes with the page
  }
}
