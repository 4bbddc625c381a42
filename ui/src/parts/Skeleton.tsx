import { type ReactNode, useEffect, useState } from "react";

/** Nothing for 200 ms, then still bars of about the final size. */
export function Skeleton({ rows = 4 }: { rows?: number }): ReactNode {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-3">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={shown ? "h-5 rounded-control bg-sunk" : "h-5"} />
      ))}
    </div>
  );
}
