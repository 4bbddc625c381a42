const KEY = /(?<![A-Za-z0-9])(?:sk|dw)-[A-Za-z0-9_-]{12,}/;

/** Whether a text holds something that looks like an API key: such a text is held before it is sent, and never stored. */
export function looksLikeKey(text: string): boolean {
  return KEY.test(text);
}
