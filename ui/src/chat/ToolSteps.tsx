import { Check, ChevronRight, CircleAlert, Wrench } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "@/parts/Button";
import { duration } from "@/parts/times";
import type { Step, ToolCall } from "./conversations";
import { useChat, useView } from "./context";
import { type Said, waitsFor } from "./said";

/** What an answer did before it spoke: each tool call with its arguments, result and time; and what waits for a person. */
export function ToolSteps({ said, isGrowing }: { said: Said; isGrowing: boolean }): ReactNode {
  const waiting = waitsFor(said);
  const waits = new Set(waiting.map((call) => call.tool_call_id));
  return (
    <>
      <ol aria-label="Steps" className="flex flex-col gap-1">
        {roundsOf(said.steps).flatMap((round, number) => [
          round.text && (
            <li key={`${number}-text`} className="text-chat text-ink-2">
              {round.text}
            </li>
          ),
          ...round.calls
            .filter((call) => !waits.has(call.tool_call_id))
            .map((call) => <Call key={`${number}-${call.tool_call_id}`} call={call} done={round.results.get(call.tool_call_id)} isRunning={isGrowing} />),
        ])}
      </ol>
      {waiting.length > 0 && !isGrowing && <Approvals key={waiting.map((call) => call.tool_call_id).join()} said={said} waiting={waiting} />}
    </>
  );
}

interface Round {
  text: string;
  calls: ToolCall[];
  results: Map<string, Step["details"]>;
}

/** Tool calls with their results: ids are only unique within one turn of the model. */
export function roundsOf(steps: Step[]): Round[] {
  const rounds: Round[] = [];
  for (const { kind, details } of steps) {
    if (kind === "model" && details.tool_calls?.length) rounds.push({ text: details.text ?? "", calls: details.tool_calls, results: new Map() });
    else if (kind === "tool" && details.tool_call_id) rounds.at(-1)?.results.set(details.tool_call_id, details);
  }
  return rounds;
}

function Call({ call, done, isRunning }: { call: ToolCall; done: Step["details"] | undefined; isRunning: boolean }): ReactNode {
  const state = done ? (done.failed ? "failed" : duration(done.took_ms ?? 0)) : isRunning ? "running" : "did not run";
  return (
    <li>
      <details className="group rounded-card border border-line bg-panel">
        <summary className="flex min-h-9 list-none items-center gap-2 rounded-card px-3 text-console text-ink-2 hover:text-ink max-wide:min-h-11">
          <Wrench size={14} strokeWidth={1.75} className="shrink-0" aria-hidden />
          <span className="truncate font-mono text-ink">{call.name}</span>
          <span className={`figures ml-auto inline-flex items-center gap-1 whitespace-nowrap ${done?.failed ? "text-bad" : ""}`}>
            {done && (done.failed ? <CircleAlert size={14} strokeWidth={1.75} aria-hidden /> : <Check size={14} strokeWidth={1.75} className="text-good" aria-hidden />)}
            {state}
          </span>
          <ChevronRight size={14} strokeWidth={1.75} className="shrink-0 group-open:rotate-90" aria-hidden />
        </summary>
        <div className="flex flex-col gap-2 border-t border-line p-3">
          <Text name="Arguments" text={pretty(call.arguments)} />
          {done && <Text name={done.failed ? "Error" : "Result"} text={pretty(done.result ?? "")} />}
        </div>
      </details>
    </li>
  );
}

const SHOWN_CHARS = 4000;

function Text({ name, text }: { name: string; text: string }): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  const folds = text.length > SHOWN_CHARS && !isWhole;
  return (
    <div>
      <h3 className="text-note text-ink-3">{name}</h3>
      <pre tabIndex={0} aria-label={name} className="mt-1 max-h-72 overflow-auto rounded-control bg-sunk p-2 text-console whitespace-pre-wrap [overflow-wrap:anywhere]">
        {folds ? `${text.slice(0, SHOWN_CHARS)}…` : text || "(nothing)"}
      </pre>
      {folds && (
        <button type="button" onClick={() => setIsWhole(true)} className="mt-1 text-console text-accent max-wide:min-h-11">
          Show all {text.length.toLocaleString("en")} characters
        </button>
      )}
    </div>
  );
}

/** JSON with line breaks, anything else as it is. */
export function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Each call that waits is let run or not; with the last decision the answer goes on. */
function Approvals({ said, waiting }: { said: Said; waiting: ToolCall[] }): ReactNode {
  const chat = useChat();
  const { isRunning } = useView();
  const [decisions, setDecisions] = useState<Record<string, boolean>>({});
  const decide = (call: ToolCall, yes: boolean): void => {
    const now = { ...decisions, [call.tool_call_id]: yes };
    setDecisions(now);
    if (waiting.every((one) => one.tool_call_id in now)) void chat.decide(said, now);
  };
  return (
    <section aria-label="Waits for your decision" className="flex flex-col gap-3 rounded-card border border-line bg-warn-tint p-3">
      <p className="font-medium">{waiting.length === 1 ? "May this run?" : `May these ${waiting.length} run?`}</p>
      {waiting.map((call) => (
        <div key={call.tool_call_id} className="flex flex-col gap-2">
          <div>
            <span className="font-mono text-console">{call.name}</span>
            <pre tabIndex={0} aria-label={`Arguments of ${call.name}`} className="mt-1 max-h-48 overflow-auto rounded-control bg-raised p-2 text-console whitespace-pre-wrap [overflow-wrap:anywhere]">
              {pretty(call.arguments)}
            </pre>
          </div>
          {call.tool_call_id in decisions ? (
            <p className="text-console text-ink-2">{decisions[call.tool_call_id] ? "Will run." : "Will not run."}</p>
          ) : (
            <div className="flex gap-2">
              <Button small kind="main" disabled={isRunning} onClick={() => decide(call, true)} aria-label={`Let it run: ${call.name}`}>
                Let it run
              </Button>
              <Button small disabled={isRunning} onClick={() => decide(call, false)} aria-label={`Do not run: ${call.name}`}>
                Do not run
              </Button>
            </div>
          )}
        </div>
      ))}
    </section>
  );
}
