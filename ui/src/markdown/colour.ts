/** Code -> coloured pieces, in a worker: a long block does not stop the page. */

/** Text and the class names that colour it. */
export type Piece = [text: string, scope: string];

let worker: Worker | null = null;
let numbers = 0;
const waiting = new Map<number, (pieces: Piece[] | null) => void>();

/** `null`: the language is not known, or the worker could not start. */
export function colour(text: string, language: string): Promise<Piece[] | null> {
  try {
    worker ??= started();
  } catch {
    return Promise.resolve(null);
  }
  const number = ++numbers;
  return new Promise((resolve) => {
    waiting.set(number, resolve);
    worker!.postMessage({ number, text, language });
  });
}

function started(): Worker {
  const made = new Worker(new URL("./colour.worker.ts", import.meta.url), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<{ number: number; pieces: Piece[] | null }>) => {
    waiting.get(data.number)?.(data.pieces);
    waiting.delete(data.number);
  };
  made.onerror = () => {
    for (const done of waiting.values()) done(null);
    waiting.clear();
  };
  return made;
}
