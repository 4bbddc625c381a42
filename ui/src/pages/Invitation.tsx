import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { useTitle } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { Alone } from "@/shell/Alone";
import { FirstWayIn } from "@/shell/FirstWayIn";

/** An invitation's link: it works once, and for a day. */
export function Invitation(): ReactNode {
  useTitle("Invitation");
  const [token] = useState(() => location.hash.slice(1));
  const navigate = useNavigate();
  const invited = useQuery({
    queryKey: ["invitation"],
    queryFn: () => data(api.POST("/api/v1/invitations/look", { body: { token } })),
    enabled: token !== "",
    staleTime: Infinity,
  });
  return (
    <Alone title="Welcome to Doorward">
      {token === "" ? (
        <p>Open the whole link that you were sent.</p>
      ) : (
        <Panel query={invited} rows={3}>
          {(found) => (
            <FirstWayIn
              email={found!.email}
              become={(_, password) => data(api.POST("/api/v1/invitations/accept", { body: { token, ...(password !== null && { password }) } }))}
              done={() => void navigate({ to: "/" })}
            />
          )}
        </Panel>
      )}
    </Alone>
  );
}
