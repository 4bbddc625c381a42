import { type ReactNode, useRef, useState } from "react";
import { Button } from "@/parts/Button";
import { classes } from "@/parts/classes";
import { copyText } from "@/parts/copy";
import { CopyButton } from "@/parts/CopyButton";
import { Actions, Dialog } from "@/parts/Dialog";
import { CONTROL } from "@/parts/Field";
import { say } from "@/parts/StatusRegion";

/** A new client key, shown this once. Only its button closes the dialog; then nothing on the page holds the key. */
export function ShownOnce({ secret, stored }: { secret: string; stored: () => void }): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  const [tab, setTab] = useState<keyof typeof SNIPPETS>("Python");
  const copy = async (): Promise<void> => {
    const worked = await copyText(secret);
    field.current?.select();
    setSaid(worked ? "Copied." : "Press Ctrl+C to copy.");
    say(worked ? "Copied" : "Press Ctrl+C to copy.");
  };
  const snippet = SNIPPETS[tab](`${location.origin}/v1`, secret);
  return (
    <Dialog open onClose={() => undefined} closable={false} title="Your new key" wide>
      <p>Copy this key now. It is shown only this once.</p>
      <div className="flex gap-2">
        <input
          ref={field}
          readOnly
          aria-label="The new key"
          value={secret}
          autoComplete="off"
          spellCheck={false}
          onFocus={(event) => event.target.select()}
          className={classes(CONTROL, "h-9 grow font-mono text-console max-wide:h-11")}
        />
        <Button kind="main" onClick={() => void copy()} autoFocus>
          Copy
        </Button>
      </div>
      <p className="min-h-5 text-console text-ink-2">{said}</p>
      <div className="overflow-hidden rounded-card border border-line">
        <div className="flex items-center gap-1 border-b border-line bg-panel px-2" role="group" aria-label="Examples">
          {(Object.keys(SNIPPETS) as (keyof typeof SNIPPETS)[]).map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={tab === name}
              onClick={() => setTab(name)}
              className={classes("h-9 px-2 text-console max-wide:h-11", tab === name ? "font-medium text-ink" : "text-ink-2")}
            >
              {name}
            </button>
          ))}
          <span className="ml-auto">
            <CopyButton text={snippet} label={`Copy ${tab}`} />
          </span>
        </div>
        <pre className="overflow-x-auto bg-sunk p-3 text-console" tabIndex={0}>
          <code>{snippet}</code>
        </pre>
      </div>
      <Actions>
        <Button onClick={stored}>I have stored it</Button>
      </Actions>
    </Dialog>
  );
}

const SNIPPETS = {
  Python: (base: string, key: string): string => `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key="${key}")`,
  curl: (base: string, key: string): string => `curl ${base}/models -H "Authorization: Bearer ${key}"`,
  env: (base: string, key: string): string => `OPENAI_BASE_URL=${base}\nOPENAI_API_KEY=${key}`,
};
