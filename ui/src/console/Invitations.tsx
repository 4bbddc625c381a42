import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { classes } from "@/parts/classes";
import { copyText } from "@/parts/copy";
import { Actions, Dialog } from "@/parts/Dialog";
import { CONTROL } from "@/parts/Field";
import { say } from "@/parts/StatusRegion";
import { Table } from "@/parts/Table";
import { Time } from "@/parts/Time";
import { invitationsQuery } from "./asks";
import { Confirm } from "./parts/Confirm";

/** The link, shown this once. */
export function LinkOnce({ made, done }: { made: { email: string; link: string }; done: () => void }): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  return (
    <Dialog open onClose={() => undefined} closable={false} title={`Invitation for ${made.email}`}>
      <p>Send them this link. It works once, for 24 hours, and is shown only now.</p>
      <div className="flex gap-2">
        <input ref={field} readOnly aria-label="The link" value={made.link} onFocus={(event) => event.target.select()} className={classes(CONTROL, "h-9 grow font-mono text-console max-wide:h-11")} />
        <Button
          kind="main"
          autoFocus
          onClick={async () => {
            const worked = await copyText(made.link);
            field.current?.select();
            setSaid(worked ? "Copied." : "Press Ctrl+C to copy.");
            say(worked ? "Copied" : "Press Ctrl+C to copy.");
          }}
        >
          Copy
        </Button>
      </div>
      <p className="min-h-5 text-console text-ink-2">{said}</p>
      <Actions>
        <Button onClick={done}>I have sent it</Button>
      </Actions>
    </Dialog>
  );
}

/** Links that were made and not used yet. */
export function Invitations(): ReactNode {
  const client = useQueryClient();
  const open = useQuery(invitationsQuery);
  const [ending, setEnding] = useState<Schemas["InvitationOut"]>();
  if (!open.data?.data.length) return null;
  return (
    <Card title="Open invitations">
      <Table
        label="Open invitations"
        columns={[
          { name: "E-mail", cell: (row) => row.email, phone: "name" },
          { name: "Role", cell: (row) => row.role, phone: "state" },
          { name: "Ends", cell: (row) => <Time at={row.expires_at} relative />, phone: "time" },
          {
            name: "Actions",
            right: true,
            phone: "money",
            cell: (row) => (
              <Button small kind="quiet" onClick={() => setEnding(row)} aria-label={`Withdraw the invitation of ${row.email}`}>
                Withdraw
              </Button>
            ),
          },
        ]}
        rows={open.data.data}
        keyOf={(row) => row.id}
      />
      {ending && (
        <Confirm
          title="Withdraw the invitation?"
          act="Withdraw"
          close={() => setEnding(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/invitations/{invitation_id}", { params: { path: { invitation_id: ending.id } } }));
            await client.invalidateQueries({ queryKey: ["invitations"] });
          }}
        >
          <p>The link of {ending.email} stops working. You can invite them again.</p>
        </Confirm>
      )}
    </Card>
  );
}
