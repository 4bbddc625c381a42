import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { Button } from "@/parts/Button";
import { NoMatch } from "@/parts/Empty";
import { Field, SelectField } from "@/parts/Field";
import { money, nanosOf } from "@/parts/money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { PRICES_USUAL, pricesQuery } from "./asks";
import { Confirm } from "./parts/Confirm";
import { Choice, FilterBar, SearchField } from "./parts/Filters";
import { FormDialog, textOf } from "@/parts/FormDialog";
import { UNITS, unitWords } from "./parts/units";
import { useUrl } from "./parts/url";

type Price = Schemas["PriceOut"];

/** What calls cost: the dated data set, and the operator's own prices over it. */
export function Prices(): ReactNode {
  const [search, set] = useUrl();
  const client = useQueryClient();
  const list = search.list ?? PRICES_USUAL;
  const [editing, setEditing] = useState<Partial<Price>>();
  const [removing, setRemoving] = useState<Price>();
  const prices = useQuery({ ...pricesQuery(search), placeholderData: keepPreviousData });
  const again = (): Promise<void> => client.invalidateQueries({ queryKey: ["prices"] });
  const columns: Column<Price>[] = [
    { name: "Model", cell: (row) => <span className="font-medium">{row.model}</span>, phone: "name" },
    { name: "For", cell: (row) => `${unitWords(row.unit)}${row.above_input_tokens ? `, above ${row.above_input_tokens.toLocaleString("en")} input tokens` : ""}`, phone: "state" },
    { name: "Dollars", right: true, cell: (row) => money(nanosOf(row.usd), "exact"), phone: "money" },
    { name: "From", cell: (row) => (row.own ? <Tag tone="accent">own</Tag> : <span className="text-ink-2">data set</span>), phone: "time" },
    {
      name: "Actions",
      right: true,
      cell: (row) => (
        <span className="flex justify-end gap-1">
          <Button small kind="quiet" onClick={(event) => {
              event.stopPropagation();
              setEditing(row);
            }} aria-label={`Set the price of ${row.model}, ${unitWords(row.unit)}`}>
            Set
          </Button>
          {row.own && (
            <Button small kind="quiet" onClick={(event) => {
              event.stopPropagation();
              setRemoving(row);
            }} aria-label={`Take back the own price of ${row.model}, ${unitWords(row.unit)}`}>
              Take back
            </Button>
          )}
        </span>
      ),
    },
  ];
  return (
    <Page
      title="Prices"
      actions={
        <Button kind="main" onClick={() => setEditing({ price_list: list })}>
          <Plus size={16} strokeWidth={1.75} aria-hidden />
          Set a price
        </Button>
      }
    >
      <FilterBar>
        <SearchField label="Model" placeholder="Model" value={search.model ?? ""} search={(model) => set({ model })} />
        <Choice name="Price list" value={list} options={(prices.data?.lists ?? [list]).concat(prices.data?.lists.includes(list) === false ? [list] : []).map((name): [string, string] => [name, name])} choose={(name) => set({ list: name === PRICES_USUAL ? undefined : name })} />
      </FilterBar>
      <Panel query={prices} rows={12}>
        {(found) => (
          <div className="flex flex-col gap-3">
            <p className="text-console text-ink-2">Prices from {found.version}. Own prices go before them; a model without a price shows as unknown, never as free.</p>
            {found.data.length === 0 ? (
              <NoMatch clear={<Button small onClick={() => set({ model: undefined })}>Clear filters</Button>} />
            ) : (
              <Table label="Prices" columns={columns} rows={found.data} keyOf={(row) => `${row.own} ${row.model} ${row.unit} ${row.above_input_tokens ?? 0}`} open={setEditing} />
            )}
            {found.data.length >= 500 && <p className="text-console text-ink-3">The first 500. Search for a model to see others.</p>}
          </div>
        )}
      </Panel>
      {editing && (
        <FormDialog
          title="Set a price"
          close={() => setEditing(undefined)}
          save={async (form) => {
            await data(api.PUT("/api/v1/prices", { body: { price_list: textOf(form, "list"), model: textOf(form, "model"), unit: textOf(form, "unit"), usd: textOf(form, "usd") } }));
            await again();
            say("Price set. Every process uses it within 5 seconds.");
          }}
        >
          <Field label="Price list" name="list" required defaultValue={editing.price_list ?? list} hint="A provider's id, or what its prices say." />
          <Field label="Model" name="model" required defaultValue={editing.model} placeholder="gpt-4o, or gpt-4*" autoFocus={!editing.model} />
          <SelectField label="For" name="unit" defaultValue={editing.unit ?? "input_mtok"}>
            {[...Object.entries(UNITS), ...(editing.unit && !UNITS[editing.unit] ? [[editing.unit, editing.unit] as [string, string]] : [])].map(([unit, words]) => (
              <option key={unit} value={unit}>
                {words}
              </option>
            ))}
          </SelectField>
          <Field label="Dollars" name="usd" required inputMode="decimal" pattern="\d+([.]\d+)?" title="Like 2.50" defaultValue={editing.usd} autoFocus={Boolean(editing.model)} />
        </FormDialog>
      )}
      {removing && (
        <Confirm
          title={`Take back the own price of ${removing.model}?`}
          act="Take back"
          close={() => setRemoving(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/prices", { params: { query: { price_list: removing.price_list, model: removing.model, unit: removing.unit } } }));
            await again();
          }}
        >
          <p>The data set's price holds again, if it has one.</p>
        </Confirm>
      )}
    </Page>
  );
}
