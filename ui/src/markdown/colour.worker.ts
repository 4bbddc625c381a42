import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import makefile from "highlight.js/lib/languages/makefile";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import type { Piece } from "./colour";

const LANGUAGES = { bash, c, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, kotlin, makefile, markdown, php, python, ruby, rust, sql, swift, typescript, xml, yaml };

for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** What highlight.js keeps of a result before it writes HTML of it; the HTML is not wanted. */
interface Branch {
  scope?: string;
  children: (Branch | string)[];
}

function flat(branch: Branch, scope: string, into: Piece[]): Piece[] {
  for (const child of branch.children) {
    if (typeof child === "string") into.push([child, scope]);
    else flat(child, child.scope ? `hl-${child.scope.split(".")[0]}` : scope, into);
  }
  return into;
}

onmessage = ({ data }: MessageEvent<{ number: number; text: string; language: string }>) => {
  let pieces: Piece[] | null = null;
  if (hljs.getLanguage(data.language)) {
    const result = hljs.highlight(data.text, { language: data.language, ignoreIllegals: true });
    pieces = flat((result._emitter as unknown as { rootNode: Branch }).rootNode, "", []);
  }
  postMessage({ number: data.number, pieces });
};
