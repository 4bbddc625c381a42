import { useQuery } from "@tanstack/react-query";
import { type ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { CopyButton } from "@/parts/CopyButton";
import { Empty } from "@/parts/Empty";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { adaptersQuery } from "./asks";
import { plural } from "./parts/figures";

type Adapter = Schemas["AdapterOut"];
type Problem = Schemas["ProblemOut"];

/** HTTP APIs behind the door, as the operator's file describes them. Read only: the file is the place to change them. */
export function Adapters(): ReactNode {
  const adapters = useQuery({ ...adaptersQuery, refetchInterval: 3000 });
  return (
    <Page title="Adapters">
      <Panel query={adapters}>
        {(found) => (
          <div className="flex flex-col gap-5">
            {found.problems.length > 0 && <Bad problems={found.problems} more={found.more_problems} takenAt={found.taken_at} />}
            {found.data.length === 0 && found.problems.length === 0 ? (
              <Empty title="No adapters yet." command={`doorward config add-http-adapter -f doorward.yaml --adapter-name github --base-url https://api.github.com -H 'Authorization: Bearer \${{ GITHUB_TOKEN }}'`}>
                {found.files.length === 0
                  ? "An adapter puts any HTTP API behind the same keys, limits and book. Name a file with --config or DOORWARD_CONFIG, then add one to it."
                  : `Add one to ${found.files[0]}; it is live within two seconds.`}
              </Empty>
            ) : (
              <>
                <p className="text-console text-ink-2">
                  From {found.files.map((file) => file.split("/").pop()).join(" and ")}, read <Time at={found.taken_at} relative />. Changes of the file are live within two seconds.
                </p>
                <Table label="Adapters" columns={columns} rows={found.data} keyOf={(row) => `${row.name}:${row.line}`} />
              </>
            )}
          </div>
        )}
      </Panel>
    </Page>
  );
}

const columns: Column<Adapter>[] = [
  { name: "Name", cell: (row) => <span className="font-medium">{row.name}</span>, phone: "name" },
  { name: "Base URL", cell: (row) => <code className="block max-w-96 truncate" title={row.base_url}>{row.base_url}</code>, phone: "state" },
  { name: "Headers", cell: (row) => (row.headers.length ? row.headers.join(", ") : <span className="text-ink-3">none</span>) },
  {
    name: "Variables",
    cell: (row) =>
      row.variables.length === 0 ? (
        <span className="text-ink-3">none</span>
      ) : (
        <span className="flex flex-wrap gap-x-3 gap-y-1">
          {row.variables.map((variable) => (
            <span key={variable.name} className="flex items-center gap-1.5">
              <code>{variable.name}</code>
              <Tag tone={variable.is_set ? "good" : "bad"}>{variable.is_set ? "set" : "missing"}</Tag>
            </span>
          ))}
        </span>
      ),
  },
  { name: "State", cell: (row) => <Tag tone={row.in_force ? "good" : "warn"}>{row.in_force ? "in force" : row.variables.some((one) => !one.is_set) ? "variable missing" : "not in force"}</Tag>, phone: "money" },
  { name: "Try it", right: true, phone: "time", cell: (row) => <CopyButton text={`curl ${location.origin}/v1/apis/http/${row.name}/ -H "Authorization: Bearer $DOORWARD_KEY"`} label="Copy curl" shown /> },
];

function Bad({ problems, more, takenAt }: { problems: Problem[]; more: number; takenAt: number | null }): ReactNode {
  return (
    <section role="alert" className="flex flex-col gap-4 rounded-card border border-line bg-bad-tint p-4" aria-label="What is wrong with the file">
      <p>
        <span className="font-medium">The file as it is now is not in force.</span> The version of <Time at={takenAt} /> stays in force.
      </p>
      {problems.map((problem) => (
        <div key={`${problem.file}:${problem.line}:${problem.says}`} className="flex flex-col gap-2">
          <p className="break-words">
            {problem.file.split("/").pop()}, line {problem.line}: {problem.says}.
          </p>
          {problem.around.length > 0 && (
            <pre className="overflow-x-auto rounded-control bg-sunk py-2 text-console" tabIndex={0} aria-label={`Lines around line ${problem.line}; values are left out`}>
              {problem.around.map((line) => (
                <span key={line.number} className={line.number === problem.line ? "block bg-warn-tint px-3" : "block px-3"}>
                  <span className="mr-4 inline-block w-8 text-right text-ink-3 select-none">{line.number}</span>
                  {line.text || " "}
                </span>
              ))}
            </pre>
          )}
        </div>
      ))}
      {more > 0 && <p>and {plural(more, "more problem")}. Run doorward config validate to see them all.</p>}
    </section>
  );
}
