import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, data } from "@/api/client";
import { Field, SecretField, SelectField } from "@/parts/Field";
import { FormDialog, numberOf, textOf } from "@/parts/FormDialog";
import { say } from "@/parts/StatusRegion";
import type { Account } from "./parts/AccountState";

/** What an account has beside label and key. */
export function AccountTraits({ row }: { row?: Account }): ReactNode {
  return (
    <>
      <Field label="Weight" name="weight" type="number" min={1} max={1000} defaultValue={row?.weight ?? 1} hint="Its share of the load among this provider's accounts." />
      <Field label="Quota owner" name="quota_owner" defaultValue={row?.quota_owner ?? ""} maxLength={200} placeholder="the account itself" hint="Keys of one organisation share one limit; name it once." />
      <details open={Boolean(row?.organization || row?.project)}>
        <summary className="font-medium">OpenAI organisation and project</summary>
        <div className="mt-3 grid grid-cols-2 gap-3 max-wide:grid-cols-1">
          <Field label="Organisation" name="organization" defaultValue={row?.organization ?? ""} placeholder="org-..." />
          <Field label="Project" name="project" defaultValue={row?.project ?? ""} placeholder="proj_..." />
        </div>
      </details>
    </>
  );
}

/** A new key at a provider. It goes in and never comes out. */
export function AddAccount({ close }: { close: () => void }): ReactNode {
  const client = useQueryClient();
  const providers = useQuery({ queryKey: ["providers"], queryFn: async () => (await data(api.GET("/api/v1/providers")))! });
  const takeKeys = (providers.data?.data ?? []).filter((provider) => provider.auth_strategy !== "none");
  return (
    <FormDialog
      title="Add an account"
      act="Add account"
      close={close}
      save={async (form) => {
        const made = (await data(
          api.POST("/api/v1/accounts", {
            body: {
              provider_id: textOf(form, "provider_id"),
              label: textOf(form, "label"),
              auth_data: { api_key: textOf(form, "key") },
              is_active: true,
              weight: numberOf(form, "weight") ?? 1,
              quota_owner: textOf(form, "quota_owner") || null,
              organization: textOf(form, "organization") || null,
              project: textOf(form, "project") || null,
            },
          }),
        ))!;
        client.setQueryData(["accounts"], (before: { data: Account[] } | undefined) => ({ data: [...(before?.data ?? []), made] }));
        void client.invalidateQueries({ queryKey: ["account-states"] });
        say(`${made.label} added. It serves from the next call on.`);
      }}
    >
      <SelectField label="Provider" name="provider_id" key={takeKeys.length} defaultValue="openai">
        {takeKeys.map((provider) => (
          <option key={provider.id} value={provider.id}>
            {provider.name === provider.id ? provider.id : `${provider.name} (${provider.id})`}
          </option>
        ))}
      </SelectField>
      <Field label="Label" name="label" required maxLength={200} autoFocus placeholder="main" />
      <SecretField label="Key" name="key" required hint="Goes in and never comes out again." />
      <AccountTraits />
    </FormDialog>
  );
}
