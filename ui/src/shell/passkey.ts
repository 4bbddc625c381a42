/** Passkey ceremonies: the server's JSON options -> the browser -> JSON for the server. */

import { api, data } from "@/api/client";

type Options = Record<string, unknown>;

/** Passkeys need a secure place: https, or localhost by name. */
export function passkeysWorkHere(): boolean {
  return isSecureContext && typeof PublicKeyCredential !== "undefined" && !/^[\d.]+$|^\[/.test(location.hostname);
}

export async function offersInFields(): Promise<boolean> {
  return passkeysWorkHere() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false);
}

/** Signs in. `quietly`: the browser offers passkeys in the e-mail field and waits until one is taken. */
export async function signInByPasskey({ quietly = false, signal }: { quietly?: boolean; signal?: AbortSignal } = {}): Promise<void> {
  const options = (await data(api.POST("/api/v1/session/passkey/begin"))) as Options;
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(inner(options) as never),
    ...(quietly && { mediation: "conditional" as const }),
    ...(signal && { signal }),
  });
  await data(api.POST("/api/v1/session/passkey", { body: { credential: shape(credential) } }));
}

/** Makes a passkey for who is signed in now. -> its id */
export async function addPasskey(name: string): Promise<string> {
  const options = (await data(api.POST("/api/v1/me/passkeys/begin"))) as Options;
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(inner(options) as never),
  });
  const made = await data(api.POST("/api/v1/me/passkeys", { body: { name, credential: shape(credential) } }));
  return made!.id;
}

/** A name to start from: the kind of machine. */
export function deviceName(): string {
  const agent = navigator.userAgent;
  const system = /iPhone|iPad|Android|Windows|Mac OS X|CrOS|Linux/.exec(agent)?.[0] ?? "This device";
  return system === "Mac OS X" ? "Mac" : system;
}

function inner(options: Options): Options {
  return (options.publicKey as Options | undefined) ?? options;
}

function shape(credential: Credential | null): Record<string, unknown> {
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("No passkey was chosen.", "NotAllowedError");
  return credential.toJSON() as unknown as Record<string, unknown>;
}
