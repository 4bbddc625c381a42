import type { ReactNode } from "react";
import { hasLogin, useSession } from "@/api/session";
import { ButtonLink } from "@/parts/Button";
import { CopyButton } from "@/parts/CopyButton";

/** After the first answer: the same from a program. */
export function FromCode(): ReactNode {
  const session = useSession().data;
  const code = `from openai import OpenAI\nclient = OpenAI(base_url="${location.origin}/v1", api_key="dw-...")`;
  return (
    <section aria-label="Now from your code" className="mx-auto mb-3 w-[calc(100%-2rem)] max-w-[688px] rounded-card border border-line bg-panel p-4">
      <div className="flex items-center justify-between gap-2">
        <h2>Now from your code</h2>
        <CopyButton text={code} label="Copy the two lines" />
      </div>
      <pre tabIndex={0} className="mt-2 overflow-x-auto rounded-control bg-sunk p-3 text-console">
        <code>{code}</code>
      </pre>
      {session && hasLogin(session) && (
        <ButtonLink to="/keys" kind="main" small className="mt-3">
          Make a client key
        </ButtonLink>
      )}
    </section>
  );
}
