import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { Field, SelectField } from "@/parts/Field";
import { FormDialog, textOf } from "@/parts/FormDialog";
import { Money } from "@/parts/Money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { usersQuery } from "./asks";
import { Invitations, LinkOnce } from "./Invitations";
import { OneUser, type Role, type User, ways } from "./OneUser";
import { count } from "./parts/figures";
import { Pager } from "./parts/Pager";
import { useUrl } from "./parts/url";

/** Who may come in, and as what. */
export function Users(): ReactNode {
  const [search, set] = useUrl();
  const client = useQueryClient();
  const own = useSession().data?.custody === "per_user";
  const [link, setLink] = useState<{ email: string; link: string }>();
  const users = useQuery({ ...usersQuery(search.after), placeholderData: keepPreviousData });
  const open = users.data?.data.find((user) => user.id === search.open);
  const columns: Column<User>[] = [
    { name: "E-mail", cell: (row) => <span className="font-medium">{row.email}</span>, phone: "name" },
    { name: "Role", cell: (row) => <Tag tone={row.role === "admin" ? "accent" : "plain"}>{row.role}</Tag>, phone: "state" },
    { name: "Ways in", cell: (row) => ways(row) },
    ...(own ? [{ name: "Key", cell: (row: User) => (row.configured ? "Configured" : <span className="text-ink-2">Not configured</span>) }] : []),
    { name: "Calls, month", right: true, cell: (row) => count(row.calls) },
    { name: "Spend, month", right: true, cell: (row) => <Money nanos={row.calls > 0 && row.unknown_cost_calls === row.calls ? null : row.cost_nanos} />, phone: "money" },
    { name: "Last signed in", cell: (row) => <Time at={row.signed_in_at} relative none="never signed in" />, phone: "time" },
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
