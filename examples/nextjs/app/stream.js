// Reads Doorward's frames: `data: {"delta": "…"}` and at the end `data: [DONE]`. No key and no SDK in the browser.
export async function* stream(message, conversationId, signal) {
  const answer = await fetch("/apps/chat/stream", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message, ...(conversationId && { conversation_id: conversationId }) }),
    signal,
  });
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  yield { conversationId: answer.headers.get("x-doorward-conversation") };
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The answer broke off.");
    const frames = (held + value).split("\n\n");
    held = frames.pop();
    for (const frame of frames) {
      const data = frame.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const said = JSON.parse(data);
      if (said.error) throw new Error(said.error.message);
      yield { delta: said.delta };
    }
  }
}
