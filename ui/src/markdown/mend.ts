/** The end of a text that is still being written, so that half-written signs do not flicker. */

const OPEN_FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** What to parse of an unfinished text: a line on its way to a fence or a table is held back, open marks are closed. */
export function mended(text: string): string {
  const fence = openFence(text);
  if (fence) return text.replace(new RegExp(`\\n {0,3}${fence[0]}{1,${fence.length}}$`), "\n"); // its closing line, half written
  const lines = text.split("\n");
  const last = lines.at(-1) ?? "";
  if (/^ {0,3}(`{1,2}|~{1,2})$/.test(last)) return lines.slice(0, -1).join("\n");
  const table = tableWithoutBody(lines);
  if (table !== null) return lines.slice(0, table).join("\n");
  return lines.slice(0, -1).concat(closed(last)).join("\n");
}

/** The marker of a fence that is open at the end of a text. */
function openFence(text: string): string | null {
  let open: string | null = null;
  for (const line of text.split("\n")) {
    const mark = OPEN_FENCE.exec(line)?.[1];
    if (!mark) continue;
    if (open === null) open = mark;
    else if (mark[0] === open[0] && mark.length >= open.length && line.trim() === mark) open = null;
  }
  return open;
}

/** Where a table begins whose separator row is not whole yet. */
function tableWithoutBody(lines: string[]): number | null {
  const last = lines.length - 1;
  const row = (at: number): boolean => /^ {0,3}\|/.test(lines[at] ?? "");
  if (!row(last)) return null;
  if (!row(last - 1)) return last;
  if (row(last - 2)) return null;
  return /^ {0,3}\|[\s:|-]*$/.test(lines[last] ?? "") ? (isSeparator(lines[last - 1] ?? "", lines[last] ?? "") ? null : last - 1) : null;
}

function isSeparator(head: string, line: string): boolean {
  const cells = (text: string): number => text.trim().replace(/^\||\|$/g, "").split("|").length;
  return /-/.test(line) && cells(head) === cells(line) && line.trim().endsWith("|");
}

/** Backticks and stars that were opened in this line and not closed; a link shows its text until it is whole. */
function closed(line: string): string {
  const code = (line.match(/`/g) ?? []).length % 2 === 1;
  if (code) return `${line}\``;
  const plain = line.replace(/`[^`]*`/g, "");
  let tail = "";
  if ((plain.match(/\*\*/g) ?? []).length % 2 === 1) tail = line.endsWith("**") ? "" : "**";
  const unlinked = line.replace(/!?\[([^\]\n]*)(\]\([^)\n]*)?$/, (whole, text: string) => (/\]\(/.test(whole) ? text : whole));
  if (line.endsWith("**") && (plain.match(/\*\*/g) ?? []).length % 2 === 1) return unlinked.slice(0, -2);
  return unlinked + (tail && !/\*$/.test(unlinked) ? tail : "");
}
