import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { classes } from "@/parts/classes";
import { copyText } from "@/parts/copy";
import { Actions, Dialog } from "@/parts/Dialog";
import { CONTROL, Field, SelectField } from "@/parts/Field";
import { Money } from "@/parts/Money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { count } from "./parts/figures";
import { FormDialog, textOf } from "./parts/Form";
import { Go } from "./parts/Go";
import { Pager } from "./parts/Pager";
import { Side } from "./parts/Side";
import { useUrl } from "./parts/url";

type User = Schemas["UserStateOut"];
type Role = User["role"];

/** Who may come in, and as what. */
export function Users(): ReactNode {
  const [search, set] = useUrl();
  const client = useQueryClient();
  const [link, setLink] = useState<{ email: string; link: string }>();
  const users = useQuery({
    queryKey: ["users", search.after ?? ""],
    queryFn: async () => (await data(api.GET("/api/v1/user-states", { params: { query: { after: search.after ?? "" } } })))!,
    placeholderData: keepPreviousData,
  });
  const open = users.data?.data.find((user) => user.id === search.open);
  const columns: Column<User>[] = [
    { name: "E-mail", cell: (row) => <span className="font-medium">{row.email}</span>, phone: "name" },
    { name: "Role", cell: (row) => <Tag tone={row.role === "admin" ? "accent" : "plain"}>{row.role}</Tag>, phone: "state" },
    { name: "Ways in", cell: (row) => ways(row) },
    { name: "Key", cell: (row) => (row.configured ? "Configured" : <span className="text-ink-2">Not configured</span>) },
    { name: "Calls, month", right: true, cell: (row) => count(row.calls) },
    { name: "Spend, month", right: true, cell: (row) => <Money nanos={row.calls > 0 && row.unknown_cost_calls === row.calls ? null : row.cost_nanos} />, phone: "money" },
    { name: "Last signed in", cell: (row) => <Time at={row.signed_in_at} relative />, phone: "time" },
  ];
  return (
    <Page
      title="Users"
      actions={
        <Button kind="main" onClick={() => set({ open: "new" })}>
          <UserPlus size={16} strokeWidth={1.75} aria-hidden />
          Invite
        </Button>
      }
    >
      <Panel query={users}>
        {(found) => (
          <div className="flex flex-col gap-3">
            <Table label="Users" columns={columns} rows={found.data} keyOf={(row) => row.id} open={(row) => set({ open: row.id })} />
            <Pager newer={search.after ? () => set({ after: undefined }) : undefined} older={found.next ? () => set({ after: found.next! }) : undefined} />
          </div>
        )}
      </Panel>
      <Invitations />
      {search.open === "new" && (
        <FormDialog
          title="Invite somebody"
          act="Make the link"
          close={() => set({ open: undefined })}
          save={async (form) => {
            const made = (await data(api.POST("/api/v1/invitations", { body: { email: textOf(form, "email"), role: textOf(form, "role") as Role } })))!;
            setLink(made);
            void client.invalidateQueries({ queryKey: ["invitations"] });
          }}
        >
          <Field label="E-mail" name="email" type="email" required autoFocus placeholder="you@example.com" />
          <SelectField label="Role" name="role" defaultValue="user" hint="Users call models and see what they spend; admins run Doorward.">
            <option value="user">user</option>
            <option value="admin">admin</option>
          </SelectField>
        </FormDialog>
      )}
      {link && <LinkOnce made={link} done={() => setLink(undefined)} />}
      {open && <OneUser user={open} close={() => set({ open: undefined })} />}
    </Page>
  );
}

function ways(user: User): ReactNode {
  const words: Record<User["ways"][number], string> = { passkey: "passkey", password: "password", oidc: "single sign-on" };
  return user.ways.length ? user.ways.map((way) => words[way]).join(", ") : <span className="text-ink-3">none yet</span>;
}

function LinkOnce({ made, done }: { made: { email: string; link: string }; done: () => void }): ReactNode {
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

function Invitations(): ReactNode {
  const client = useQueryClient();
  const open = useQuery({ queryKey: ["invitations"], queryFn: async () => (await data(api.GET("/api/v1/invitations")))! });
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

function OneUser({ user, close }: { user: User; close: () => void }): ReactNode {
  const client = useQueryClient();
  const me = useSession().data?.user;
  const [asks, setAsks] = useState<"role" | "remove" | "erase">();
  const path = { params: { path: { user_id: user.id } } };
  const other: Role = user.role === "admin" ? "user" : "admin";
  const again = (): Promise<void> => client.invalidateQueries({ queryKey: ["users"] });
  return (
    <Side title={user.email} close={close}>
      <Facts
        rows={[
          ["Role", <Tag key="r" tone={user.role === "admin" ? "accent" : "plain"}>{user.role}</Tag>],
          ["Ways in", ways(user)],
          ["OpenAI key", user.configured ? "Configured" : "Not configured"],
          ["This month", <span key="m">{count(user.calls)} calls, <Money nanos={user.calls > 0 && user.unknown_cost_calls === user.calls ? null : user.cost_nanos} /></span>],
          ["Last signed in", <Time key="l" at={user.signed_in_at} />],
          ["Since", <Time key="s" at={user.created_at} />],
        ]}
      />
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => setAsks("role")}>{other === "admin" ? "Make admin" : "Make user"}</Button>
        <Button onClick={() => setAsks("remove")}>Remove</Button>
        <Button onClick={() => setAsks("erase")}>Erase</Button>
        <Go to="/admin/calls" search={{ user_id: user.id }} button="plain" className="min-h-9">
          See calls
        </Go>
        <Go to="/admin/budgets" search={{ open: `user:${user.id}` }} button="plain" className="min-h-9">
          Set a budget
        </Go>
      </div>
      {asks === "role" && (
        <Confirm
          title={other === "admin" ? `Make ${user.email} an admin?` : `Make ${user.email} a user?`}
          act={other === "admin" ? "Make admin" : "Make user"}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.PATCH("/api/v1/users/{user_id}", { ...path, body: { role: other } }));
            if (user.id === me?.id) location.assign("/");
            await again();
            say(`${user.email} is now ${other}.`);
          }}
        >
          <p>{other === "admin" ? "Admins see everybody's calls and spend, and can change everything here." : "They lose these pages at once."} Their sessions end; they sign in again.</p>
        </Confirm>
      )}
      {asks === "remove" && (
        <Confirm
          title={`Remove ${user.email}?`}
          act="Remove"
          type={user.email}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/users/{user_id}", path));
            close();
            await again();
          }}
        >
          <p>They are signed out, their client keys are revoked and their stored key is forgotten. Their calls stay in the book.</p>
        </Confirm>
      )}
      {asks === "erase" && (
        <Confirm
          title={`Erase ${user.email}?`}
          act="Erase"
          type={user.email}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.POST("/api/v1/users/{user_id}/erase", path));
            close();
            await again();
          }}
        >
          <p>All that is kept about them goes: conversations, keys, sessions. Money and the audit chain keep their rows without a name. This cannot be undone.</p>
        </Confirm>
      )}
    </Side>
  );
}
