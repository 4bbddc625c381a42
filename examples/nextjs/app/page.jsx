"use client";

import { useRef, useState } from "react";
import { stream } from "./stream";

export default function Chat() {
  const [turns, setTurns] = useState([]);
  const [text, setText] = useState("");
  const conversation = useRef(null);
  const running = useRef(null);

  async function send(event) {
    event.preventDefault();
    const message = text;
    setText("");
    setTurns((all) => [...all, { role: "you", text: message }, { role: "answer", text: "" }]);
    const add = (more) => setTurns((all) => [...all.slice(0, -1), { ...all.at(-1), text: all.at(-1).text + more }]);
    running.current = new AbortController();
    try {
      for await (const piece of stream(message, conversation.current, running.current.signal)) {
        if (piece.conversationId) conversation.current = piece.conversationId;
        if (piece.delta) add(piece.delta);
      }
    } catch (error) {
      if (error.name !== "AbortError") add(` [${error.message}]`);
    }
  }

  return (
    <main>
      {turns.map((turn, number) => (
        <p key={number}>
          <b>{turn.role}:</b> {turn.text}
        </p>
      ))}
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        <button>Send</button>
        <button type="button" onClick={() => running.current?.abort()}>
          Stop
        </button>
      </form>
    </main>
  );
}
