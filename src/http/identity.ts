import { identityUrl } from "./address.ts";
import type { HttpConnection } from "./options.ts";
import { strongest, type Validators } from "./validators.ts";

/** What names the content of a link. */
export interface HttpIdentity {
  readonly identity: string;
  /** What it rests on; `undefined` when it is of one opening alone. */
  readonly validator: "etag" | "last-modified" | undefined;
}

/** Openings without a name of their content, so that no two of them share an identity. */
let unnamed = 0;

/** Names the content by link, version and size; where there is no version, by this opening. */
export async function identify(
  { link, clock, random }: HttpConnection,
  validators: Validators,
  size: number | undefined,
): Promise<HttpIdentity> {
  const named = await identityUrl(link.address.href);
  const validator = strongest(validators);
  const version = validator === "etag"
    ? `etag:${validators.etag}`
    : validator === "last-modified"
    ? `modified:${validators.lastModified}`
    : `once:${clock.now()}.${random().toString(36).slice(2)}.${++unnamed}`;
  const identity = `http:${named}|${version}|size:${size ?? "unknown"}`;
  return { identity, validator };
}
