import { AssistantRuntimeProvider, MessagePrimitive, type ThreadMessageLike, ThreadPrimitive, useAuiState, useExternalStoreRuntime } from "@assistant-ui/react";
import { ArrowDown } from "lucide-react";
import { type ReactNode, type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button, IconButton } from "@/parts/Button";
import { ErrorPanel } from "@/parts/ErrorPanel";
import { Skeleton } from "@/parts/Skeleton";
import { useChat, useView } from "./context";
import { Earlier } from "./Earlier";
import { MESSAGE, Message } from "./Message";
import type { Said } from "./said";

/**
 * The reader owns the scroll: a question rises to the top once, its answer fills the space below, nothing moves after.
 * What was said earlier is a virtual list; the last turn, whose answer grows, stands outside of it as plain elements,
 * and it alone is the runtime's: what that does with each change is the same at message 5 and 5,000.
 */
export function Thread(): ReactNode {
  const { said, isRunning } = useView();
  const earlier = Math.max(0, said.findLastIndex((one) => one.role === "user"));
  const runtime = useExternalStoreRuntime<Said>({
    messages: said.slice(earlier),
    isRunning,
    convertMessage,
    onNew: () => Promise.resolve(),
  });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root className="relative flex min-h-0 flex-1 flex-col">
        <Viewport earlier={earlier} />
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

/** Texts are not handed on: a message watches its own, so that a delta touches nothing else. */
function convertMessage(said: Said): ThreadMessageLike {
  return {
    id: said.key,
    role: said.role,
    content: [],
    ...(said.role === "assistant" && {
      status: said.state === "waiting" || said.state === "streaming" ? { type: "running" as const } : { type: "complete" as const, reason: "stop" as const },
    }),
  };
}

const COMPONENTS = { UserMessage: LastTurn, AssistantMessage: LastTurn };

function LastTurn(): ReactNode {
  const key = useAuiState((state) => state.message.id);
  const { said, found } = useView();
  const at = said.findLastIndex((one) => one.key === key);
  const one = said[at];
  if (!one) return null;
  return (
    <MessagePrimitive.Root className={MESSAGE} data-said={one.id ?? one.key} data-hit={one.id !== null && one.id === found ? "" : undefined}>
      <Message said={one} question={said[at - 1]} />
    </MessagePrimitive.Root>
  );
}

function Viewport({ earlier }: { earlier: number }): ReactNode {
  const chat = useChat();
  const { said, found, hasOlder, isLoading, isRunning, loadError } = useView();
  // An element in the state, not a ref: children look at it before the ref of this drawing is set.
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  const keep = useCallback((element: HTMLDivElement | null): void => {
    if (element) setScroller(element);
  }, []);
  const end = useRef<HTMLDivElement>(null);
  useStartAtEnd(said.length > 0 && !isRunning, found !== null, scroller);
  useShowFound(said.slice(earlier).some((one) => one.id === found) ? found : null, scroller);
  return (
    <>
      <ThreadPrimitive.Viewport
        ref={keep}
        turnAnchor="top"
        autoScroll={false}
        scrollToBottomOnRunStart={false}
        scrollToBottomOnInitialize={false}
        scrollToBottomOnThreadSwitch={false}
        className="thread relative min-h-0 flex-1 overflow-y-auto"
        data-testid="thread"
      >
        {loadError !== null && (
          <div className="mx-auto max-w-[720px] p-4">
            <ErrorPanel error={loadError} retry={() => void chat.load()} />
          </div>
        )}
        {isLoading && said.length === 0 && (
          <div className="mx-auto max-w-[720px] p-4">
            <Skeleton rows={8} />
          </div>
        )}
        {hasOlder && (
          <div className="flex justify-center p-3">
            <Button small busy={isLoading} onClick={() => void chat.loadOlder()}>
              Older messages
            </Button>
          </div>
        )}
        {earlier > 0 && <Earlier count={earlier} scroller={scroller} />}
        {said.slice(earlier).map((one) => (
          <ThreadPrimitive.Unstable_MessageById key={one.key} messageId={one.key} components={COMPONENTS} />
        ))}
        <div ref={end} className="h-6" />
      </ThreadPrimitive.Viewport>
      <ToEnd scroller={scroller} end={end} />
    </>
  );
}

/**
 * A conversation that was opened is shown from its end; one that was asked in, however soon its answer was there, from its last
 * question. Heights become known over the first few frames.
 */
function useStartAtEnd(isThere: boolean, isElsewhere: boolean, scroller: HTMLDivElement | null): void {
  const chat = useChat();
  const done = useRef(chat.view.get().isRunning);
  useLayoutEffect(() => {
    if (!isThere || !scroller || done.current) return;
    done.current = true;
    if (isElsewhere) return;
    const asked = chat.view.get().said.findLast((one) => one.role === "user");
    const isOurs = asked !== undefined && asked.key !== asked.id;
    let frames = 4;
    const down = (): void => {
      const question = isOurs ? scroller.querySelector(`[data-said="${CSS.escape(asked.id ?? asked.key)}"]`) : null;
      if (question) scroller.scrollTop += question.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
      else scroller.scrollTop = scroller.scrollHeight;
      if (--frames > 0) requestAnimationFrame(down);
    };
    down();
  }, [chat, isThere, isElsewhere, scroller]);
}

/** A hit in the last turn; those before it are the virtual list's. */
function useShowFound(found: string | null, scroller: HTMLDivElement | null): void {
  useLayoutEffect(() => {
    if (found === null || !scroller) return;
    // what stands above gets its true height over the first few frames
    let frames = 8;
    let next = 0;
    const there = (): void => {
      const hit = scroller.querySelector("[data-hit]");
      if (hit) scroller.scrollTop += hit.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 8;
      if (--frames > 0) next = requestAnimationFrame(there);
    };
    there();
    return () => cancelAnimationFrame(next);
  }, [found, scroller]);
}

/** A way down, while the end is out of sight. */
function ToEnd({ scroller, end }: { scroller: HTMLDivElement | null; end: RefObject<HTMLDivElement | null> }): ReactNode {
  const [isBelow, setIsBelow] = useState(false);
  useEffect(() => {
    if (!end.current || !scroller) return;
    const watch = new IntersectionObserver(
      ([entry]) => setIsBelow(entry !== undefined && !entry.isIntersecting && entry.boundingClientRect.top > (entry.rootBounds?.bottom ?? 0)),
      // near the end nothing has to lead there
      { root: scroller, rootMargin: "0px 0px 120px 0px" },
    );
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [end, scroller]);
  if (!isBelow) return null;
  return (
    <IconButton
      label="To the end"
      onClick={() => scroller?.scrollTo({ top: scroller.scrollHeight })}
      className="absolute! right-1/2 bottom-3 translate-x-1/2 rounded-full! border border-line bg-raised! shadow-float"
    >
      <ArrowDown size={16} strokeWidth={1.75} />
    </IconButton>
  );
}
