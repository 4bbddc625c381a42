import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { Money } from "@/parts/Money";
import { say } from "@/parts/StatusRegion";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { count } from "./parts/figures";
import { Go } from "./parts/Go";
import { LimitForm, LimitWords } from "./parts/Limits";
import { Side } from "./parts/Side";

export type User = Schemas["UserStateOut"];
export type Role = User["role"];

export function ways(user: User): ReactNode {
  const words: Record<User["ways"][number], string> = { passkey: "passkey", password: "password", oidc: "single sign-on" };
  return user.ways.length ? user.ways.map((way) => words[way]).join(", ") : <span className="text-ink-3">none yet</span>;
}

/** One user: how they come in, what they spend, and what can be done. */
export function OneUser({ user, close }: { user: User; close: () => void }): ReactNode {
  const client = useQueryClient();
  const session = useSession().data;
  const me = session?.user;
  const [asks, setAsks] = useState<"role" | "limits" | "remove" | "erase">();
  const path = { params: { path: { user_id: user.id } } };
  const other: Role = user.role === "admin" ? "user" : "admin";
  const again = (): Promise<void> => client.invalidateQueries({ queryKey: ["users"] });
  return (
    <Side title={user.email} close={close}>
      <Facts
        rows={[
          ["Role", <Tag key="r" tone={user.role === "admin" ? "accent" : "plain"}>{user.role}</Tag>],
          ["Ways in", ways(user)],
          ...(session?.custody === "per_user" ? ([["OpenAI key", user.configured ? "Configured" : "Not configured"]] as [string, ReactNode][]) : []),
          ["This month", <span key="m">{count(user.calls)} calls, <Money nanos={user.calls > 0 && user.unknown_cost_calls === user.calls ? null : user.cost_nanos} /></span>],
          ["Limits", <LimitWords key="i" subject={`user:${user.id}`} />],
          ["Last signed in", <Time key="l" at={user.signed_in_at} />],
          ["Since", <Time key="s" at={user.created_at} />],
        ]}
      />
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => setAsks("role")}>{other === "admin" ? "Make admin" : "Make user"}</Button>
        <Button onClick={() => setAsks("limits")}>Limits</Button>
        <Go to="/admin/calls" search={{ user_id: user.id }} button="plain" small={false}>
          See calls
        </Go>
        <Go to="/admin/budgets" search={{ open: `user:${user.id}` }} button="plain" small={false}>
          Set a budget
        </Go>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button className="text-bad!" onClick={() => setAsks("remove")}>Remove</Button>
        <Button className="text-bad!" onClick={() => setAsks("erase")}>Erase</Button>
      </div>
      {asks === "limits" && <LimitForm subject={`user:${user.id}`} name={user.email} says="They count over all their keys and sessions together." close={() => setAsks(undefined)} />}
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
