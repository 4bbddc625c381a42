import { Link } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, ListTree, RotateCcw } from "lucide-react";
import { type ReactNode, Suspense, lazy } from "react";
import { Markdown } from "@/markdown/Markdown";
import { IconButton } from "@/parts/Button";
import { CopyButton } from "@/parts/CopyButton";
import { money } from "@/parts/money";
import { Tag } from "@/parts/Tag";
import { duration } from "@/parts/times";
import { type Call, cost, sumOf } from "./calls";
import { useChat, useText, useView } from "./context";
import { ErrorBubble } from "./ErrorBubble"; // not loaded later: it is there to say that the server is away
import { MessageMenu } from "./MessageMenu";
import { type Said, callIds, waitsFor } from "./said";

const ToolSteps = lazy(async () => ({ default: (await import("./ToolSteps")).ToolSteps }));

/** What the model answered, what it did with tools, and what that cost. */
export function Answer({ said, question }: { said: Said; question: Said | undefined }): ReactNode {
  const text = useText(said);
  const view = useView();
  const chat = useChat();
  const call = sumOf(view.calls, callIds(said));
  const growing = said.state === "waiting" || said.state === "streaming";
  const retry = (): void => {
    if (question) void chat.askInstead(question, { text: question.text, images: question.images });
  };
  const simulated = call ? call.provider_id === "simulator" : (said.model ?? "").startsWith("sim-");
  const canRetry = question !== undefined && said.state !== "failed";
  const limit = said.steps.at(-1)?.kind === "limit" ? said.steps.at(-1)?.details.limit : undefined;
  return (
    <article aria-labelledby={`${said.key}-who`} aria-busy={growing} data-state={said.state} className="flex flex-col gap-2">
      <h2 id={`${said.key}-who`} className="flex items-center gap-2 text-note font-medium text-ink-3">
        {call?.model_served ?? said.model ?? view.model ?? "Answer"}
        {simulated && <Tag>simulated</Tag>}
      </h2>
      {said.steps.length > 0 && (
        <Suspense>
          <ToolSteps said={said} isGrowing={growing} />
        </Suspense>
      )}
      {text ? <Markdown text={text} isWhole={!growing} /> : growing && <Waiting />}
      {limit !== undefined && <p className="text-console text-ink-2">Stopped: the answer reached its limit of {limit}.</p>}
      {said.state === "stopped" && <p className="text-console text-ink-2">{stopped(call)}</p>}
      {(said.state === "failed" || said.state === "cut") && <ErrorBubble said={said} question={question} call={call} retry={retry} />}
      {/* its height is there from the start, so that nothing moves when the figures come */}
      <footer className="figures flex min-h-8 flex-wrap items-center gap-x-1 text-note text-ink-2 max-wide:min-h-11 max-wide:flex-nowrap">
        {!growing && (
          <>
            <span className="flex items-center gap-x-1 max-wide:hidden">
              {text && <CopyButton text={text} label="Copy answer" />}
              {canRetry && (
                <IconButton label="Retry" disabled={view.isRunning} onClick={retry} className="size-7!">
                  <RotateCcw size={14} strokeWidth={1.75} />
                </IconButton>
              )}
            </span>
            {(text || canRetry) && waitsFor(said).length === 0 && (
              <MessageMenu label="Actions for this answer" copies={text} acts={canRetry ? [["Retry", retry]] : []} disabled={view.isRunning} />
            )}
            {question && <Siblings question={question} />}
            {call && <Cost call={call} />}
          </>
        )}
      </footer>
    </article>
  );
}

function Waiting(): ReactNode {
  return (
    <p className="waiting text-chat text-ink-3" aria-hidden>
      <span>·</span>
      <span>·</span>
      <span>·</span>
    </p>
  );
}

function stopped(call: Call | undefined): string {
  return call ? `Stopped. ${call.output_tokens.toLocaleString("en")} tokens, ${cost(call)}.` : "Stopped.";
}

/** Tokens, money, time, and the way to "why?". */
function Cost({ call }: { call: Call }): ReactNode {
  const tokens = call.input_tokens + call.output_tokens;
  return (
    <span className="ml-auto flex flex-wrap items-center gap-x-1.5" data-testid="cost">
      <span title={`in ${call.input_tokens}, out ${call.output_tokens}`}>{tokens.toLocaleString("en")} tokens</span>·
      <span title={call.cost_nanos === null ? call.reason || "The price of this model is not known." : money(call.cost_nanos, "exact")}>{cost(call)}</span>·
      <span>{duration(call.duration_ms)}</span>·
      <Link to={`/calls/${call.id}` as string} className="inline-flex items-center gap-1 max-wide:min-h-11">
        <ListTree size={14} strokeWidth={1.75} aria-hidden />
        Why?
      </Link>
    </span>
  );
}

/** `< 2/3 >` */
function Siblings({ question }: { question: Said }): ReactNode {
  const chat = useChat();
  const { isRunning } = useView();
  const at = question.siblings.indexOf(question.id ?? "");
  if (at < 0 || question.siblings.length < 2) return null;
  const go = (to: number): void => {
    const id = question.siblings[to];
    if (id) void chat.show(id);
  };
  return (
    <span className="flex shrink-0 items-center" role="group" aria-label="Versions">
      <IconButton label="Version before" disabled={isRunning || at === 0} onClick={() => go(at - 1)} className="size-7! max-wide:h-11!">
        <ChevronLeft size={14} strokeWidth={1.75} />
      </IconButton>
      <span>
        {at + 1}/{question.siblings.length}
      </span>
      <IconButton label="Version after" disabled={isRunning || at === question.siblings.length - 1} onClick={() => go(at + 1)} className="size-7! max-wide:h-11!">
        <ChevronRight size={14} strokeWidth={1.75} />
      </IconButton>
    </span>
  );
}
