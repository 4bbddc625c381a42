import type { Token, Tokens } from "marked";
import { type ReactNode, createElement, memo, useMemo, useRef } from "react";
import { type Block, Growing, type MathToken } from "./blocks";
import { Code } from "./Code";
import { decoded, safeHref } from "./entities";
import { Formula } from "./Formula";

/** A model's text as React elements: no markup of its is ever parsed as HTML, no image is fetched, no link runs. */
export function Markdown({ text, isWhole }: { text: string; isWhole: boolean }): ReactNode {
  const growing = useRef<Growing>(null);
  growing.current ??= new Growing();
  const blocks = useMemo(() => growing.current!.read(text, isWhole), [text, isWhole]);
  return (
    <div className="prose">
      {blocks.map((block, at) => (
        <BlockView key={at} block={block} isOpen={!isWhole && at === blocks.length - 1} />
      ))}
    </div>
  );
}

const BlockView = memo(function BlockView({ block, isOpen }: { block: Block; isOpen: boolean }): ReactNode {
  return blockOf(block, isOpen);
});

function blockOf(token: Token, isOpen: boolean): ReactNode {
  switch (token.type) {
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "heading":
      // the page and the message have the first levels
      return createElement(`h${Math.min(6, (token as Tokens.Heading).depth + 2)}`, null, inline(token.tokens));
    case "code":
      return <Code text={(token as Tokens.Code).text} language={(token as Tokens.Code).lang ?? ""} isClosed={!isOpen} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens, isOpen)}</blockquote>;
    case "list":
      return <List list={token as Tokens.List} isOpen={isOpen} />;
    case "table":
      return <TableView table={token as Tokens.Table} />;
    case "hr":
      return <hr />;
    case "math":
      return <Formula tex={(token as MathToken).tex} display={(token as MathToken).display} />;
    case "html":
      return <p>{token.raw.trim()}</p>;
    case "text":
      return token.tokens ? <>{inline(token.tokens)}</> : <>{decoded(token.raw)}</>;
    case "space":
    case "def":
      return null;
    default:
      return <p>{token.raw}</p>;
  }
}

function blocks(tokens: Token[] | undefined, isOpen: boolean): ReactNode {
  return (tokens ?? []).map((token, at) => <BlockView key={at} block={token} isOpen={isOpen && at === (tokens ?? []).length - 1} />);
}

function List({ list, isOpen }: { list: Tokens.List; isOpen: boolean }): ReactNode {
  const items = list.items.map((item, at) => (
    <li key={at} className={item.task ? "task" : undefined}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} disabled aria-label={item.checked ? "done" : "to do"} />}
      {blocks(item.tokens.filter((token) => token.type !== "checkbox"), isOpen && at === list.items.length - 1)}
    </li>
  ));
  return list.ordered ? <ol start={Number(list.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function TableView({ table }: { table: Tokens.Table }): ReactNode {
  const align = (at: number): string | undefined => (table.align[at] === "right" ? "text-right" : table.align[at] === "center" ? "text-center" : undefined);
  return (
    <div className="prose-wide" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            {table.header.map((cell, at) => (
              <th key={at} className={align(at)}>
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, at) => (
                <td key={at} className={align(at)}>
                  {inline(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: Token[] | undefined): ReactNode {
  return (tokens ?? []).map((token, at) => <InlineView key={at} token={token} />);
}

function InlineView({ token }: { token: Token }): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens)}</strong>;
    case "em":
      return <em>{inline(token.tokens)}</em>;
    case "del":
      return <del>{inline(token.tokens)}</del>;
    case "codespan":
      return <code>{decoded((token as Tokens.Codespan).text)}</code>;
    case "br":
      return <br />;
    case "link":
      return <Anchor href={(token as Tokens.Link).href}>{inline(token.tokens)}</Anchor>;
    case "image":
      // never fetched: an address could carry data out
      return <Anchor href={(token as Tokens.Image).href}>{(token as Tokens.Image).text || "image"}</Anchor>;
    case "math":
      return <Formula tex={(token as MathToken).tex} display={(token as MathToken).display} />;
    case "text":
    case "escape":
      return token.type === "text" && token.tokens ? <>{inline(token.tokens)}</> : <>{decoded((token as Tokens.Text).text)}</>;
    default:
      return <>{token.raw}</>;
  }
}

function Anchor({ href, children }: { href: string; children: ReactNode }): ReactNode {
  const safe = safeHref(href);
  if (safe === null) return <>{children}</>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
