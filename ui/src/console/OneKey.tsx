import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { boundsOf } from "@/keys/bounds";
import { LimitFields, limitsOf } from "@/keys/LimitFields";
import { DAY_S, Expiries, expiryOf } from "@/keys/NewKey";
import { Button } from "@/parts/Button";
import { Field, SelectField } from "@/parts/Field";
import { FormDialog, textOf } from "@/parts/FormDialog";
import { say } from "@/parts/StatusRegion";
import { Tag, type Tone } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { BudgetCell } from "./parts/BudgetCell";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { Go } from "./parts/Go";
import { Side } from "./parts/Side";

export type Key = Schemas["KeyOut"];
export type Budget = Schemas["BudgetOut"];

export const TONES: Record<Key["state"], Tone> = { active: "good", expired: "warn", revoked: "plain" };

/** Whose budget it is that bounds a key without limits of its own. */
export function whoseBudget(above: Budget[]): string {
  return above[0]?.subject === "all" ? "the budget of everything" : "its owner's budget";
}

/** One client key: what it may do, and what can be done to it. */
export function OneKey({ row, budget, above, made, close }: { row: Key; budget: Budget | undefined; above: Budget[]; made: (key: Schemas["NewKeyOut"], before?: string) => void; close: () => void }): ReactNode {
  const client = useQueryClient();
  const [asks, setAsks] = useState<"revoke" | "rotate" | "change" | "delete">();
  const path = { params: { path: { key_id: row.id } } };
  const replace = (changed: Key): void => {
    client.setQueryData(["keys"], (before: { data: Key[] } | undefined) => before && { data: before.data.map((one) => (one.id === row.id ? changed : one)) });
  };
  const isActive = row.state === "active";
  return (
    <Side title={row.label} close={close}>
      <Facts
        rows={[
          ["Key", <code key="k">dw-{row.id}</code>],
          ["State", <Tag key="s" tone={TONES[row.state]}>{row.state}</Tag>],
          ["Owner", row.owner ?? "operator"],
          ["Scopes", row.scopes.join(", ")],
          ["Models", row.models?.join(", ") ?? "all"],
          ["Adapters", row.adapters?.join(", ") ?? "all"],
          ["Limits", boundsOf(row.limits, above, whoseBudget(above))],
          ["Budget", budget ? <BudgetCell key="b" budget={budget} /> : "none of its own"],
          ["Last used", <Time key="l" at={row.last_used_at} />],
          ["Made", <Time key="m" at={row.created_at} />],
          ["Expires", <Time key="e" at={row.expires_at} />],
          ...(row.rotated_from ? ([["Replaces", <code key="r">dw-{row.rotated_from}</code>]] as [string, ReactNode][]) : []),
          ...(row.share_as ? ([["Shares objects as", row.share_as]] as [string, ReactNode][]) : []),
        ]}
      />
      <div className="flex flex-wrap gap-2">
        {isActive && (
          <>
            <Button onClick={() => setAsks("change")}>Change</Button>
            <Button onClick={() => setAsks("rotate")}>Rotate</Button>
          </>
        )}
        <Go to="/admin/calls" search={{ key_id: row.id }} button="plain" small={false}>
          See calls
        </Go>
        <Go to="/admin/budgets" search={{ open: `key:${row.id}` }} button="plain" small={false}>
          {budget ? "Change budget" : "Set a budget"}
        </Go>
        <Button className="text-bad!" onClick={() => setAsks(isActive ? "revoke" : "delete")}>
          {isActive ? "Revoke" : "Delete"}
        </Button>
      </div>
      {asks === "change" && (
        <FormDialog
          title={`Change ${row.label}`}
          close={() => setAsks(undefined)}
          save={async (form) => {
            const days = textOf(form, "days");
            const expires = days === "keep" ? {} : { expires_at: expiryOf(days) };
            replace((await data(api.PATCH("/api/v1/keys/{key_id}", { ...path, body: { label: textOf(form, "label"), limits: limitsOf(form), ...expires } })))!);
            say("Saved. Limits hold from the next call on.");
          }}
        >
          <Field label="Label" name="label" defaultValue={row.label} required maxLength={200} autoFocus />
          <SelectField label="Expires" name="days" defaultValue="keep">
            <option value="keep">as it is</option>
            <Expiries />
          </SelectField>
          <fieldset className="grid grid-cols-2 gap-3">
            <legend className="mb-2 font-medium">Limits</legend>
            <LimitFields now={row.limits} />
          </fieldset>
          <p className="text-console text-ink-3">An empty field is no limit. What a key may use is fixed when it is made; its budget stands under Budgets.</p>
        </FormDialog>
      )}
      {asks === "rotate" && (
        <FormDialog title={`Rotate ${row.label}`} act="Make the new key" close={() => setAsks(undefined)} save={async (form) => made((await data(api.POST("/api/v1/keys/{key_id}/rotate", { ...path, body: { overlap_s: Number(textOf(form, "overlap_s")) } })))!, row.id)}>
          <p>A new key with the same powers. The old one stays good for a while, so that programs can change over.</p>
          <SelectField label="The old key ends" name="overlap_s" defaultValue={String(DAY_S)}>
            <option value="0">at once</option>
            <option value="3600">in an hour</option>
            <option value={DAY_S}>in a day</option>
            <option value={7 * DAY_S}>in a week</option>
          </SelectField>
        </FormDialog>
      )}
      {asks === "revoke" && (
        <Confirm title={`Revoke ${row.label}?`} act="Revoke" close={() => setAsks(undefined)} does={async () => void replace((await data(api.POST("/api/v1/keys/{key_id}/revoke", path)))!)}>
          <p>Programs with this key are refused within 5 seconds. This cannot be undone.</p>
        </Confirm>
      )}
      {asks === "delete" && (
        <Confirm
          title={`Delete ${row.label}?`}
          act="Delete"
          type={row.label}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/keys/{key_id}", path));
            client.setQueryData(["keys"], (before: { data: Key[] } | undefined) => before && { data: before.data.filter((one) => one.id !== row.id) });
            close();
          }}
        >
          <p>The key's row goes; its calls stay in the book under its label.</p>
        </Confirm>
      )}
    </Side>
  );
}
