/** A budget's refusal in fewer words than the server's, which programs read, too. Pure. */

const BUDGET = /^The budget of (.+?) is used up: ([\d.]+) USD is spent and ([\d.]+) USD held of ([\d.]+) USD, and this call may cost up to ([\d.]+) USD\. ([^.]*\.)/;

/** `Your budget of $10.00 is used up ($9.98 spent; this message may cost up to $0.05). …` `named`: what the budget of a key or user is called. */
export function budgetWords(message: string, what: "message" | "call", named: (subject: string) => string): string {
  const found = BUDGET.exec(message);
  if (!found) return message;
  const [, whose = "", spent, held, cap, need, resets] = found;
  const subject = whose === "everything together" ? "The budget of everybody together" : named(whose);
  const running = Number(held) > 0 ? `, $${Number(held).toFixed(2)} held for running calls` : "";
  return `${subject} of $${Number(cap).toFixed(2)} is used up ($${Number(spent).toFixed(2)} spent${running}; this ${what} may cost up to ${upTo(Number(need))}). ${resets}`;
}

function upTo(usd: number): string {
  return usd < 0.01 ? "a cent" : `$${usd.toFixed(2)}`;
}
