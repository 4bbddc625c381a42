import { type ReactNode, memo } from "react";
import { Answer } from "./Answer";
import { Question } from "./Question";
import type { Said } from "./said";

export const MESSAGE = "mx-auto w-full max-w-[720px] scroll-mt-2 px-4 py-3 data-hit:rounded-card data-hit:bg-accent-tint";

/** One message. `question`: what stands before it, which an answer can be asked for again by. */
export const Message = memo(function Message({ said, question }: { said: Said; question: Said | undefined }): ReactNode {
  return said.role === "user" ? <Question said={said} /> : <Answer said={said} question={question} />;
});
