/** KaTeX with its style sheet and fonts: loaded with the first formula. */

import "katex/dist/katex.min.css";

export { default as katex } from "katex";
