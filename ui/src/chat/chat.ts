/** One conversation as a page has it: what was said, what is being said, and what is done about it. */

import { refused, send } from "@/api/client";
import { queries } from "@/api/queries";
import { type Signal, signal } from "@/api/signal";
import { say } from "@/parts/StatusRegion";
import { type Call, callOf, callsBetween } from "./calls";
import { type StoredMessage, change, everyMessage, listChanged, readConversation } from "./conversations";
import { type Asked, CutOff, deltasOf } from "./frames";
import { announce, endOfAnswer } from "./announce";

export type State = "stored" | "waiting" | "streaming" | "stopped" | "failed" | "cut";

/** A question or an answer. `key` stays when the server gives an id. */
export interface Said {
  key: string;
  id: string | null;
  parentId: string | null;
  role: "user" | "assistant";
  text: string;
  images: string[];
  model: string | null;
  state: State;
  callId: string | null;
  siblings: string[];
  at: number;
  error: unknown;
}

export interface View {
  id: string | null;
  title: string;
  model: string | null;
  prompt: string | null;
  said: Said[];
  hasOlder: boolean;
  isLoading: boolean;
  loadError: unknown;
  /** An answer is on its way. */
  isRunning: boolean;
  calls: ReadonlyMap<string, Call>;
}

export interface Question {
  text: string;
  images: string[];
}

const EMPTY: View = {
  id: null,
  title: "",
  model: null,
  prompt: null,
  said: [],
  hasOlder: false,
  isLoading: false,
  loadError: null,
  isRunning: false,
  calls: new Map(),
};

let numbers = 0;

export class Chat {
  readonly key = `chat-${++numbers}`;
  readonly view: Signal<View>;
  /** Texts that grow, by message: only the message itself watches, not the whole thread. */
  private readonly growing = new Map<string, Signal<string>>();
  private running: AbortController | null = null;
  /** What answers while nobody has chosen a model. The page sets it. */
  defaultModel = "";
  /** Set by the page: a new conversation has got its id. */
  onNamed: (id: string) => void = () => undefined;
  /** Set by the composer: the server has the message, its draft can go. */
  onTaken: () => void = () => undefined;

  constructor(id: string | null) {
    this.view = signal<View>({ ...EMPTY, id });
  }

  text(said: Said): Signal<string> {
    let text = this.growing.get(said.key);
    if (!text) this.growing.set(said.key, (text = signal(said.text)));
    return text;
  }

  /** Reads the newest messages; what could not be stored stays below them. */
  async load(): Promise<void> {
    const { id, isRunning, said } = this.view.get();
    if (id === null || isRunning) return;
    this.set({ isLoading: said.length === 0, loadError: null });
    try {
      const read = await readConversation(id);
      if (this.view.get().isRunning) return;
      const local = this.view.get().said.filter((one) => one.id === null);
      const known = new Map(this.view.get().said.map((one) => [one.id, one.key]));
      const stored = read.messages.map((message) => shown(message, known.get(message.id)));
      this.set({ title: read.title, model: read.model, prompt: read.prompt, said: [...stored, ...local], hasOlder: read.has_more, isLoading: false });
      await this.readCosts(stored);
    } catch (loadError) {
      this.set({ isLoading: false, loadError });
    }
  }

  async loadOlder(): Promise<void> {
    const { id, said, hasOlder, isLoading } = this.view.get();
    const first = said[0];
    if (id === null || !hasOlder || isLoading || !first?.id) return;
    this.set({ isLoading: true });
    try {
      const read = await readConversation(id, first.id);
      const older = read.messages.map((message) => shown(message));
      this.set({ said: [...older, ...this.view.get().said], hasOlder: read.has_more, isLoading: false });
      await this.readCosts(older);
    } catch {
      this.set({ isLoading: false }); // the button stays, and asks again
    }
  }

  choose(choice: { model?: string; prompt?: string | null }): void {
    this.set(choice);
  }

  /** Asks after what is shown. */
  ask(question: Question): Promise<void> {
    const last = this.view.get().said.findLast((one) => one.id !== null);
    return this.say(question, last?.id ?? null, this.view.get().said);
  }

  /** Asks anew in the place of a question: what was said there stays as a sibling. */
  askInstead(at: Said, question: Question): Promise<void> {
    const { said } = this.view.get();
    const before = said.slice(0, said.findIndex((one) => one.key === at.key));
    return this.say(question, at.parentId ?? "", before);
  }

  stop(): void {
    this.running?.abort();
  }

  /** Shows another of the siblings, with everything that followed it. */
  async show(siblingId: string): Promise<void> {
    const { id, isRunning } = this.view.get();
    if (id === null || isRunning) return;
    try {
      await change(id, { leaf_id: newestBelow(siblingId, await everyMessage(id)) });
      await this.load();
    } catch (loadError) {
      this.set({ loadError });
    }
  }

  private async say(question: Question, parentId: string | null, before: Said[]): Promise<void> {
    if (this.running) return;
    const key = crypto.randomUUID?.() ?? `local-${++numbers}-${Date.now()}`;
    const asked = local(`${key}-q`, "user", question.text, { images: question.images, parentId: parentId || null, state: "stored" });
    const answer = local(`${key}-a`, "assistant", "", { model: this.model, state: "waiting" });
    const abort = (this.running = new AbortController());
    this.set({ said: [...before, asked, answer], isRunning: true });
    say("Answering");
    try {
      await this.stream(answer, this.body(question, parentId), abort.signal);
      await this.settle(asked, answer, "stored");
    } catch (cause) {
      if (abort.signal.aborted) await this.settle(asked, answer, "stopped");
      else if (cause instanceof CutOff) await this.settle(asked, answer, "cut", cause);
      else this.patch(answer.key, { state: "failed", error: cause });
    } finally {
      this.running = null;
      this.set({ isRunning: false });
    }
  }

  private get model(): string {
    return this.view.get().model ?? this.defaultModel;
  }

  private body(question: Question, parentId: string | null): Asked {
    const { id, prompt } = this.view.get();
    const { model } = this;
    return {
      message: question.text,
      ...(id !== null && { conversation_id: id }),
      ...(id !== null && parentId !== null && { parent_id: parentId }),
      ...(question.images.length > 0 && { images: question.images }),
      ...(model && { model }),
      ...(id === null && prompt !== null && { prompt }),
    };
  }

  private async stream(answer: Said, body: Asked, abort: AbortSignal): Promise<void> {
    const response = await send("/apps/chat/stream", {
      method: "POST",
      headers: { "content-type": "application/json", "x-doorward-tags": "page:chat" },
      body: JSON.stringify(body),
      signal: abort,
    });
    if (!response.ok || !response.body) throw await refused(response);
    this.onTaken();
    const requestId = response.headers.get("x-request-id");
    this.patch(answer.key, { state: "streaming", callId: requestId });
    this.named(response.headers.get("x-doorward-conversation"));
    const text = this.text(answer);
    let whole = "";
    let painting = 0;
    const paint = (): void => {
      painting = 0;
      text.set(whole);
      announce(whole);
    };
    try {
      for await (const delta of deltasOf(response.body, requestId)) {
        whole += delta;
        // once a frame, however many pieces come; a hidden tab has no frames
        painting ||= requestAnimationFrame(paint);
      }
    } finally {
      cancelAnimationFrame(painting);
      paint();
      this.patch(answer.key, { text: whole });
    }
  }

  /** The end of an answer: the server's ids, the siblings and the cost come in place of what was only local. */
  private async settle(asked: Said, answer: Said, state: State, error: unknown = null): Promise<void> {
    const text = this.text(answer).get();
    this.patch(answer.key, { state, error, text });
    this.running = null;
    this.set({ isRunning: false });
    endOfAnswer(text, state);
    const { callId } = this.view.get().said.find((one) => one.key === answer.key) ?? answer;
    if (state === "stored" || (state === "stopped" && text)) await this.adopt(asked, answer);
    void listChanged();
    if (callId) await this.readCost(callId);
    void queries.invalidateQueries({ queryKey: ["my-budget"] });
  }

  /** Takes over the stored question and answer. A stopped answer is stored a moment after its reader left. */
  private async adopt(asked: Said, answer: Said): Promise<void> {
    const { id } = this.view.get();
    if (id === null) return;
    for (const waitMs of [0, 200, 500, 1200]) {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      try {
        const read = await readConversation(id, undefined, 2);
        const [question, reply] = read.messages.slice(-2);
        const taken = this.view.get().said.some((one) => one.id === reply?.id);
        if (!question || !reply || taken || question.text.trim() !== asked.text.trim()) continue;
        this.patch(asked.key, { id: question.id, parentId: question.parent_id, siblings: question.siblings });
        this.patch(answer.key, { id: reply.id, parentId: reply.parent_id, siblings: reply.siblings, model: reply.model });
        this.set({ title: read.title, model: read.model, prompt: read.prompt });
        return;
      } catch {
        return; // what is on the page is right; ids come with the next load
      }
    }
  }

  private named(id: string | null): void {
    if (id === null || this.view.get().id !== null) return;
    this.set({ id });
    this.onNamed(id);
  }

  private async readCost(callId: string): Promise<void> {
    const call = await callOf(callId);
    if (call) this.keepCalls([call]);
  }

  private async readCosts(said: Said[]): Promise<void> {
    const missing = said.filter((one) => one.callId !== null && !this.view.get().calls.has(one.callId));
    const times = missing.map((one) => one.at);
    if (times.length === 0) return;
    try {
      this.keepCalls(await callsBetween(Math.min(...times), Math.max(...times)));
    } catch {
      // the footers show no figures; the answers are there
    }
  }

  private keepCalls(found: Call[]): void {
    this.set({ calls: new Map([...this.view.get().calls, ...found.map((call): [string, Call] => [call.id, call])]) });
  }

  private patch(key: string, changes: Partial<Said>): void {
    this.set({ said: this.view.get().said.map((one) => (one.key === key ? { ...one, ...changes } : one)) });
  }

  private set(changes: Partial<View>): void {
    this.view.set({ ...this.view.get(), ...changes });
  }
}

function shown(message: StoredMessage, key: string = message.id): Said {
  return {
    key,
    id: message.id,
    parentId: message.parent_id,
    role: message.role === "assistant" ? "assistant" : "user",
    text: message.text,
    images: (message.parts ?? []).flatMap((part) => (part.image_url ? [part.image_url.url] : [])),
    model: message.model,
    state: message.stopped ? "stopped" : "stored",
    callId: message.call_id,
    siblings: message.siblings,
    at: message.created_at,
    error: null,
  };
}

function local(key: string, role: Said["role"], text: string, more: Partial<Said>): Said {
  return {
    key,
    id: null,
    parentId: null,
    role,
    text,
    images: [],
    model: null,
    state: "stored",
    callId: null,
    siblings: [],
    at: Date.now() / 1000,
    error: null,
    ...more,
  };
}

/** The newest message below one, down the branch that was written last. Messages come oldest first. */
export function newestBelow(id: string, messages: Pick<StoredMessage, "id" | "parent_id">[]): string {
  const newestChild = new Map(messages.map((message) => [message.parent_id, message.id]));
  let leaf = id;
  for (let child = newestChild.get(leaf); child !== undefined; child = newestChild.get(leaf)) leaf = child;
  return leaf;
}
