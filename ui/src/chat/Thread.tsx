import { AssistantRuntimeProvider, MessagePrimitive, type ThreadMessageLike, ThreadPrimitive, useAuiState, useExternalStoreRuntime } from "@assistant-ui/react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button, IconButton } from "@/parts/Button";
import { ErrorPanel } from "@/parts/ErrorPanel";
import { Skeleton } from "@/parts/Skeleton";
import { Answer } from "./Answer";
import type { Said } from "./chat";
import { useChat, useView } from "./context";
import { Question } from "./Question";

/**
 * The reader owns the scroll: a question rises to the top once, its answer fills the space below, nothing moves after.
 * History is a virtual list; the last turn, whose answer grows, stands outside of it as plain elements.
 */
export function Thread(): ReactNode {
  const view = useView();
  const runtime = useExternalStoreRuntime<Said>({
    messages: view.said,
    isRunning: view.isRunning,
    convertMessage,
    onNew: () => Promise.resolve(),
  });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadPrimitive.Root className="relative flex min-h-0 flex-1 flex-col">
        <Viewport />
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

const COMPONENTS = { UserMessage: MessageView, AssistantMessage: MessageView };

function MessageView(): ReactNode {
  const key = useAuiState((state) => state.message.id);
  const said = useView().said.find((one) => one.key === key);
  if (!said) return null;
  return (
    <MessagePrimitive.Root className="mx-auto w-full max-w-[720px] px-4 py-3" data-said={said.id ?? said.key}>
      {said.role === "user" ? <Question said={said} /> : <Answer said={said} />}
    </MessagePrimitive.Root>
  );
}

function Viewport(): ReactNode {
  const chat = useChat();
  const { said, hasOlder, isLoading, isRunning, loadError } = useView();
  // An element in the state, not a ref: children look at it before the ref of this drawing is set.
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  const keep = useCallback((element: HTMLDivElement | null): void => {
    if (element) setScroller(element);
  }, []);
  const end = useRef<HTMLDivElement>(null);
  const lastTurn = said.findLastIndex((one) => one.role === "user");
  const history = Math.max(0, lastTurn);
  useStartAtEnd(said.length > 0 && !isRunning, scroller);
  return (
    <>
      <ThreadPrimitive.Viewport ref={keep} turnAnchor="top"
        autoScroll={false}
        scrollToBottomOnRunStart={false}
        scrollToBottomOnInitialize={false}
        scrollToBottomOnThreadSwitch={false}
        className="thread min-h-0 flex-1 overflow-y-auto" data-testid="thread">
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
        {history > 0 && <History count={history} scroller={scroller} />}
        {said.slice(history).map((one) => (
          <ThreadPrimitive.Unstable_MessageById key={one.key} messageId={one.key} components={COMPONENTS} />
        ))}
        <div ref={end} className="h-6" />
      </ThreadPrimitive.Viewport>
      <ToEnd scroller={scroller} end={end} />
    </>
  );
}

function History({ count, scroller }: { count: number; scroller: HTMLDivElement | null }): ReactNode {
  const { said } = useView();
  const list = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller,
    estimateSize: () => 140,
    getItemKey: (index) => said[index]?.key ?? index,
    overscan: 6,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  useKeepPlace(said[0]?.key, virtual.getTotalSize(), scroller);
  return (
    // role: a list that readers can count, though only a part of it is there
    <div ref={list} className="relative" style={{ height: virtual.getTotalSize() }}>
      {virtual.getVirtualItems().map((item) => (
        <div
          key={item.key}
          data-index={item.index}
          ref={virtual.measureElement}
          className="absolute inset-x-0 top-0"
          style={{ transform: `translateY(${item.start - virtual.options.scrollMargin}px)` }}
        >
          <ThreadPrimitive.Unstable_MessageById messageId={String(item.key)} components={COMPONENTS} />
        </div>
      ))}
    </div>
  );
}

/** A conversation that was opened is shown from its end; heights become known over the first few frames. */
function useStartAtEnd(isThere: boolean, scroller: HTMLDivElement | null): void {
  const chat = useChat();
  const done = useRef(chat.view.get().isRunning);
  useLayoutEffect(() => {
    if (!isThere || !scroller || done.current) return;
    done.current = true;
    let frames = 4;
    const down = (): void => {
      scroller.scrollTop = scroller.scrollHeight;
      if (--frames > 0) requestAnimationFrame(down);
    };
    down();
  }, [isThere, scroller]);
}

/** When older messages are put before the first, what was read stays where it was. */
function useKeepPlace(first: string | undefined, height: number, scroller: HTMLDivElement | null): void {
  const before = useRef({ first, height });
  useLayoutEffect(() => {
    const was = before.current;
    if (was.first !== undefined && first !== was.first && scroller) scroller.scrollTop += height - was.height;
    before.current = { first, height };
  }, [first, height, scroller]);
}

/** A way down, while the end is out of sight. */
function ToEnd({ scroller, end }: { scroller: HTMLDivElement | null; end: React.RefObject<HTMLDivElement | null> }): ReactNode {
  const [isBelow, setIsBelow] = useState(false);
  useEffect(() => {
    if (!end.current || !scroller) return;
    const watch = new IntersectionObserver(
      ([entry]) => setIsBelow(entry !== undefined && !entry.isIntersecting && entry.boundingClientRect.top > (entry.rootBounds?.bottom ?? 0)),
      { root: scroller },
    );
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [end, scroller]);
  if (!isBelow) return null;
  return (
    <IconButton
      label="To the end"
      onClick={() => end.current?.scrollIntoView({ block: "end" })}
      className="absolute! right-1/2 bottom-3 translate-x-1/2 rounded-full! border border-line bg-raised! shadow-float"
    >
      <ArrowDown size={16} strokeWidth={1.75} />
    </IconButton>
  );
}
