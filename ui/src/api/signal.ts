/** A value that components can watch: the least that `useSyncExternalStore` asks for. */

export interface Signal<T> {
  get: () => T;
  set: (value: T) => void;
  watch: (told: () => void) => () => void;
}

export function signal<T>(first: T): Signal<T> {
  let value = first;
  const watchers = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const told of [...watchers]) told();
    },
    watch: (told) => {
      watchers.add(told);
      return () => watchers.delete(told);
    },
  };
}
