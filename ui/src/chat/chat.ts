/** One conversation as a page has it: what was said, what is being said, and what is done about it. */

import { refused, send } from "@/api/client";
import { ApiError } from "@/api/errors";
import { queries } from "@/api/queries";
import { type Signal, signal } from "@/api/signal";
import { say } from "@/parts/StatusRegion";
import { type Call, callOf, callsBetween } from "./calls";
import { type Step, change, listBegun, listChanged, readConversation, readSince } from "./conversations";
import { type Asked, CutOff, piecesOf } from "./frames";
import { announce, endOfAnswer } from "./announce";
import { chosenTools, keepTools } from "./tool-choice";
import { type Said, type State, callIds, local, shown, waitsFor } from "./said";

export interface View {
  id: string | null;
  title: string;
  model: string | null;
  prompt: string | null;
  /** What the prompt's {{variables}} say. */
  variables: Record<string, string>;
  /** Tools that the next answers may use. */
  tools: string[];
  said: Said[];
  hasOlder: boolean;
  isLoading: boolean;
  loadError: unknown;
  /** An answer is on its way. */
  isRunning: boolean;
  /** The message that a search led to. */
  found: string | null;
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
  variables: {},
  tools: [],
  said: [],
  hasOlder: false,
  isLoading: false,
  loadError: null,
  isRunning: false,
  found: null,
  calls: new Map(),
};
const TITLE_CHARS = 60;
/** A stopped answer is stored a moment after its reader left. */
const WAITS_MS = [0, 100, 200, 400, 800, 1500];

let numbers = 0;

export class Chat {
  readonly key = `chat-${++numbers}`;
  readonly view: Signal<View>;
  /** Texts that grow, by message: only the message itself watches, not the whole thread. */
  private readonly growing = new Map<string, Signal<string>>();
  private running: AbortController | null = null;
  /** What was stopped is on its way into the store: the next question hangs below it. */
  private settling: Promise<void> = Promise.resolve();
  /** What answers while nobody has chosen a model. The page sets it. */
  defaultModel = "";
  /** Set by the page: a new conversation has got its id, or lost it because nothing of it was stored. */
  onNamed: (id: string | null) => void = () => undefined;
  /** Set by the composer: the server has the message, its draft can go. */
  onTaken: () => void = () => undefined;

  constructor(id: string | null) {
    this.view = signal<View>({ ...EMPTY, id, tools: chosenTools() });
  }

  text(said: Said): Signal<string> {
    let text = this.growing.get(said.key);
    if (!text) this.growing.set(said.key, (text = signal(said.text)));
    return text;
  }

  /** Reads the newest messages; what could not be stored stays below them. */
  async load(): Promise<void> {
    const { id, isRunning, said, found } = this.view.get();
    if (id === null || isRunning || found !== null) return;
    this.set({ isLoading: said.length === 0, loadError: null });
    try {
      const read = await readConversation(id);
      if (this.view.get().isRunning || this.view.get().found !== null) return;
      this.take(read, this.view.get().said.filter((one) => one.id === null));
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

  /** Brings a message onto the page that a search has found, on whichever branch it is. */
  async find(messageId: string): Promise<void> {
    const { id, said, isRunning } = this.view.get();
    if (id === null || isRunning) return;
    if (said.some((one) => one.id === messageId)) return this.set({ found: messageId });
    this.set({ found: messageId, isLoading: said.length === 0, loadError: null });
    try {
      let read = await readSince(id, messageId).catch((cause: unknown) => {
        if (cause instanceof ApiError && cause.status === 404) return null;
        throw cause;
      });
      if (!read) {
        await change(id, { leaf_id: messageId });
        read = await readSince(id, messageId);
      }
      // what stands before it belongs to it as well
      const older = read.has_more ? await readConversation(id, messageId) : null;
      this.take(older ? { ...read, messages: [...older.messages, ...read.messages], has_more: older.has_more } : read);
    } catch (loadError) {
      this.set({ isLoading: false, found: null, loadError });
    }
  }

  /** The mark of a search's hit goes. */
  forget(): void {
    this.set({ found: null });
  }

  choose(choice: { model?: string; prompt?: string | null; variables?: Record<string, string>; tools?: string[] }): void {
    if (choice.tools) keepTools(choice.tools);
    this.set(choice);
  }

  /** Asks after what is shown. */
  async ask(question: Question): Promise<void> {
    await this.settling;
    const last = this.view.get().said.findLast((one) => one.id !== null);
    return this.say(question, last?.id ?? null, [], this.view.get().said);
  }

  /** Asks anew in the place of a question: what was said there stays as a sibling. */
  async askInstead(at: Said, question: Question): Promise<void> {
    await this.settling;
    const { said } = this.view.get();
    const place = said.findIndex((one) => one.key === at.key);
    const now = said[place] ?? at;
    return this.say(question, now.parentId ?? "", now.siblings, said.slice(0, place));
  }

  /** Lets tool calls of an answer run, or not; it goes on. */
  async decide(answer: Said, decisions: Record<string, boolean>): Promise<void> {
    const { id } = this.view.get();
    if (this.running || id === null || answer.id === null) return;
    const steps = answer.steps.map((step, at) => (at === answer.steps.length - 1 ? { ...step, details: { ...step.details, decisions } } : step));
    this.patch(answer.key, { state: "waiting", steps });
    await this.answering(answer, "/apps/chat/approvals", { conversation_id: id, message_id: answer.id, decisions }, () => undefined);
  }

  stop(): void {
    this.running?.abort();
  }

  /** Shows another of the siblings, with everything that followed it. */
  async show(siblingId: string): Promise<void> {
    const { id, isRunning } = this.view.get();
    if (id === null || isRunning) return;
    try {
      await change(id, { leaf_id: siblingId });
      this.take(await readConversation(id));
    } catch (loadError) {
      this.set({ loadError });
    }
  }

  private async say(question: Question, parentId: string | null, siblings: string[], before: Said[]): Promise<void> {
    if (this.running) return;
    const key = crypto.randomUUID?.() ?? `local-${++numbers}-${Date.now()}`;
    const asked = local(`${key}-q`, "user", question.text, { images: question.images, parentId: parentId || null, siblings });
    const answer = local(`${key}-a`, "assistant", "", { model: this.model, state: "waiting" });
    this.set({ said: [...before, asked, answer], found: null });
    await this.answering(answer, "/apps/chat/stream", this.body(question, parentId), (headers) => {
      const id = headers.get("x-doorward-question");
      if (id) this.patch(asked.key, { id, siblings: [...siblings, id] });
      this.patch(answer.key, { id: headers.get("x-doorward-message"), parentId: id });
      this.named(headers.get("x-doorward-conversation"), question.text);
    });
  }

  /** Reads one stream into an answer, however it ends. */
  private async answering(answer: Said, path: string, body: object, begun: (headers: Headers) => void): Promise<void> {
    const abort = (this.running = new AbortController());
    this.set({ isRunning: true });
    say("Answering");
    try {
      await this.stream(answer, path, body, abort.signal, begun);
      this.settle(answer, "stored");
    } catch (cause) {
      if (abort.signal.aborted) {
        this.settle(answer, "stopped");
        this.settling = this.confirm(answer);
      } else if (cause instanceof CutOff) {
        this.settle(answer, "cut", cause);
        this.settling = this.confirm(answer);
      } else {
        this.patch(answer.key, { state: "failed", error: cause, at: Date.now() / 1000 });
      }
    } finally {
      this.running = null;
      this.set({ isRunning: false });
    }
  }

  private get model(): string {
    return this.view.get().model ?? this.defaultModel;
  }

  private body(question: Question, parentId: string | null): Asked {
    const { id, prompt, variables, tools } = this.view.get();
    const { model } = this;
    return {
      message: question.text,
      ...(id !== null && { conversation_id: id }),
      ...(id !== null && parentId !== null && { parent_id: parentId }),
      ...(question.images.length > 0 && { images: question.images }),
      ...(model && { model }),
      ...(id === null && prompt !== null && { prompt, variables }),
      ...(tools.length > 0 && { tools }),
    };
  }

  private async stream(answer: Said, path: string, body: object, abort: AbortSignal, begun: (headers: Headers) => void): Promise<void> {
    const response = await send(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-doorward-tags": "page:chat" },
      body: JSON.stringify(body),
      signal: abort,
    });
    if (!response.ok || !response.body) throw await refused(response);
    this.onTaken();
    const requestId = response.headers.get("x-request-id");
    begun(response.headers);
    this.patch(answer.key, { state: "streaming", callId: requestId });
    const text = this.text(answer);
    let whole = "";
    let painting = 0;
    const paint = (): void => {
      painting = 0;
      text.set(whole);
      announce(whole);
    };
    try {
      for await (const piece of piecesOf(response.body, requestId)) {
        if (typeof piece === "string") whole += piece;
        else {
          // what was said before tools were called stands in the step
          if (piece.details.tool_calls?.length) whole = "";
          this.add(answer.key, piece);
        }
        // once a frame, however many pieces come; a hidden tab has no frames
        painting ||= requestAnimationFrame(paint);
      }
    } finally {
      cancelAnimationFrame(painting);
      paint();
      this.patch(answer.key, { text: whole });
    }
  }

  /** The end of an answer: how it ended and what it cost. */
  private settle(answer: Said, state: State, error: unknown = null): void {
    const text = this.text(answer).get();
    this.patch(answer.key, { state, error, text, at: Date.now() / 1000 });
    const now = this.view.get().said.find((one) => one.key === answer.key) ?? answer;
    if (state === "stored" && waitsFor(now).length > 0) say("The answer waits for your decision");
    else endOfAnswer(text, state);
    void listChanged();
    for (const id of callIds(now)) void this.readCost(id);
    void queries.invalidateQueries({ queryKey: ["my-budget"] });
  }

  /** Whether an answer that did not end was kept; until that is known the next question waits. Takes its ids back if not. */
  private async confirm(answer: Said): Promise<void> {
    const { id, said } = this.view.get();
    const at = said.findIndex((one) => one.key === answer.key);
    const [question, now] = [said[at - 1], said[at]];
    if (id === null || !question || !now?.id) return;
    const waits = now.state === "stopped" ? WAITS_MS : WAITS_MS.slice(0, 1);
    for (const waitMs of waits) {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      try {
        const read = await readConversation(id, undefined, 1);
        if (read.messages.at(-1)?.id === now.id) return;
      } catch (cause) {
        if (!(cause instanceof ApiError && cause.status === 404)) return; // what is on the page is likely right
      }
    }
    const gone = question.id;
    this.patch(question.key, { id: null, siblings: question.siblings.filter((one) => one !== gone) });
    this.patch(now.key, { id: null });
    if (this.view.get().said.every((one) => one.id === null)) {
      this.set({ id: null });
      this.onNamed(null);
      void listChanged();
    }
  }

  private take(read: Awaited<ReturnType<typeof readConversation>>, below: Said[] = []): void {
    const known = new Map(this.view.get().said.map((one) => [one.id, one.key]));
    const stored = read.messages.map((message) => shown(message, known.get(message.id)));
    for (const one of stored) this.growing.get(one.key)?.set(one.text);
    this.set({ title: read.title, model: read.model, prompt: read.prompt, said: [...stored, ...below], hasOlder: read.has_more, isLoading: false });
    void this.readCosts(stored);
  }

  private named(id: string | null, text: string): void {
    if (id === null || this.view.get().id !== null) return;
    const title = text.trim().split(/\s+/).join(" ").slice(0, TITLE_CHARS);
    this.set({ id, title });
    listBegun(id, title);
    this.onNamed(id);
  }

  private async readCost(callId: string): Promise<void> {
    const call = await callOf(callId);
    if (call) this.keepCalls([call]);
  }

  private async readCosts(said: Said[]): Promise<void> {
    const { calls } = this.view.get();
    const times = said.filter((one) => callIds(one).some((id) => !calls.has(id))).map((one) => one.at);
    if (times.length === 0) return;
    try {
      this.keepCalls(await callsBetween(times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))));
    } catch {
      // the footers show no figures; the answers are there
    }
  }

  private keepCalls(found: Call[]): void {
    this.set({ calls: new Map([...this.view.get().calls, ...found.map((call): [string, Call] => [call.id, call])]) });
  }

  private add(key: string, step: Step): void {
    this.set({ said: this.view.get().said.map((one) => (one.key === key ? { ...one, steps: [...one.steps, step] } : one)) });
  }

  private patch(key: string, changes: Partial<Said>): void {
    this.set({ said: this.view.get().said.map((one) => (one.key === key ? { ...one, ...changes } : one)) });
  }

  private set(changes: Partial<View>): void {
    this.view.set({ ...this.view.get(), ...changes });
  }
}
