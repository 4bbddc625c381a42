/** Text -> blocks. While a text grows, blocks that are closed stay the very same objects, so that they are not drawn again. */

import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens } from "marked";
import { mended } from "./mend";

export type Block = Token;

export interface MathToken extends Tokens.Generic {
  type: "math";
  tex: string;
  display: boolean;
}

const blockMath: TokenizerAndRendererExtension = {
  name: "mathBlock",
  level: "block",
  start: (text) => /(?:^|\n)(?:\$\$|\\\[)/.exec(text)?.index,
  tokenizer(text) {
    const found = /^(?:\$\$\s*([\s\S]+?)\s*\$\$|\\\[\s*([\s\S]+?)\s*\\\])[ \t]*(?:\n|$)/.exec(text);
    if (!found) return undefined;
    return { type: "math", raw: found[0], tex: found[1] ?? found[2] ?? "", display: true };
  },
};

/** `$…$` as pandoc reads it: no space inside the signs, no digit after the closing one, so that `$5 and $6` stay money. */
const inlineMath: TokenizerAndRendererExtension = {
  name: "mathInline",
  level: "inline",
  start: (text) => /\$|\\\(/.exec(text)?.index,
  tokenizer(text) {
    const found = /^(?:\$\$([^$\n]+?)\$\$|\$(?!\s)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\))/.exec(text);
    if (!found) return undefined;
    return { type: "math", raw: found[0], tex: found[1] ?? found[2] ?? found[3] ?? "", display: false };
  },
};

const reader = new Marked({ gfm: true, breaks: false, extensions: [blockMath, inlineMath] });

export function blocksOf(text: string): Block[] {
  return reader.lexer(text).filter((token) => token.type !== "space");
}

/** Reads a growing text. Only what follows the last closed block is parsed again. */
export class Growing {
  private closed: Block[] = [];
  private closedText = "";

  /** `text` is the whole text so far; `isWhole`: nothing more comes. */
  read(text: string, isWhole: boolean): Block[] {
    if (!text.startsWith(this.closedText)) {
      this.closed = [];
      this.closedText = "";
    }
    const rest = text.slice(this.closedText.length);
    const tokens = reader.lexer(isWhole ? rest : mended(rest));
    const last = tokens.findLastIndex((token) => token.type !== "space");
    // A block is closed once another one follows it: a list may still go on after an empty line.
    const done = isWhole ? tokens.length : last;
    let length = 0;
    for (const token of tokens.slice(0, Math.max(0, done))) {
      if (!rest.startsWith(token.raw, length)) break; // the lexer changed the text (tabs, \r): do not rely on positions
      length += token.raw.length;
      if (token.type !== "space") this.closed.push(token);
    }
    this.closedText += rest.slice(0, length);
    const open = isWhole && length === rest.length ? [] : blocksOf(isWhole ? text.slice(this.closedText.length) : mended(text.slice(this.closedText.length)));
    return [...this.closed, ...open];
  }
}
