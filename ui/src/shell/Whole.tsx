import { type ReactNode, useEffect } from "react";
import { ButtonLink } from "@/parts/Button";
import { ErrorPanel } from "@/parts/ErrorPanel";

/** A page that broke: its error, and a way on. */
export function Whole({ error }: { error: unknown }): ReactNode {
  useEffect(() => console.error(error), [error]); // for whoever mends it; nothing is sent anywhere
  return (
    <div className="mx-auto flex max-w-md flex-col gap-4 p-8">
      <ErrorPanel error={error} retry={() => location.reload()} />
    </div>
  );
}

export function NotFound(): ReactNode {
  return (
    <div className="mx-auto flex max-w-md flex-col items-start gap-4 p-8">
      <h1>There is no such page.</h1>
      <ButtonLink to="/" kind="main">
        Go to chat
      </ButtonLink>
    </div>
  );
}

/** For pages of admins, when somebody else opens them. No request for data was sent. */
export function AdminsOnly(): ReactNode {
  return (
    <div className="mx-auto flex max-w-md flex-col items-start gap-4 p-8">
      <h1>This page is for admins.</h1>
      <ButtonLink to="/" kind="main">
        Go to chat
      </ButtonLink>
    </div>
  );
}
