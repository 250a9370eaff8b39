/**
 * Which version of a link was seen last, so that it can be read without asking its server.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../block/reader.ts";
import type { ContentStore, StoredContent } from "../block/store.ts";
import { ReadError } from "../errors.ts";
import { identityUrl, parseHttpUrl } from "./address.ts";

/** What a link led to. */
export type LinkVersion = Pick<BlockReader, "identity" | "size">;

/** Bytes of a version as it is kept, at most: a record that is longer is not ours. */
const MAX_RECORD = 16 << 10;

/**
 * Keeps which version a link leads to, in place of what was kept of it. Best effort: a store that
 * cannot keep it leaves the link unknown.
 */
export async function rememberLink(
  store: ContentStore,
  url: string | URL,
  { identity, size }: LinkVersion,
  options: ReadOptions = {},
): Promise<void> {
  const record = new TextEncoder().encode(JSON.stringify({ identity, size }));
  try {
    await withRecord(store, url, options, async (content) => {
      const known = await readRecord(content, options);
      if (known?.identity === identity && known.size === size) return;
      await content.drop();
    });
    await withRecord(store, url, options, async (content) => {
      if (content.size !== undefined) return;
      await content.write(0, record, options);
      if (content.has(0, record.length)) await content.finish(record.length);
    });
  } catch {
    options.signal?.throwIfAborted();
  }
}

/**
 * Opens what is kept of a link for reading through `withStore()`: every read of it fails, since the
 * server is not to be asked.
 *
 * @throws {ReadError} `http.bad-url`; `store.unusable`; `http.offline` when the link was never opened,
 * and of reads
 */
export async function openOffline(
  store: ContentStore,
  url: string | URL,
  options: ReadOptions = {},
): Promise<BlockReader> {
  const name = parseHttpUrl(url).shown;
  let version: LinkVersion | undefined;
  await withRecord(store, url, options, async (content) => {
    version = await readRecord(content, options);
  });
  if (version === undefined) {
    throw offline(`open "${name}"`, "nothing of it is kept", name);
  }
  const { identity, size } = version;
  return {
    name,
    identity,
    size,
    blockSize: 4096,
    // deno-lint-ignore require-await -- throwing must reject
    async read(offset, into, options) {
      options?.signal?.throwIfAborted();
      if (into.length === 0 || offset >= size) return 0;
      throw offline(
        `read ${into.length} bytes at byte ${offset} of "${name}"`,
        "they are not kept",
        name,
      );
    },
  };
}

async function withRecord(
  store: ContentStore,
  url: string | URL,
  options: ReadOptions,
  use: (content: StoredContent) => Promise<void>,
): Promise<void> {
  const { href, shown } = parseHttpUrl(url);
  const identity = `link:${await identityUrl(href)}`;
  const name = `version of ${shown}`;
  const content = await store.open({ identity, name }, options);
  try {
    await use(content);
  } finally {
    await content.close();
  }
}

async function readRecord(
  content: StoredContent,
  options: ReadOptions,
): Promise<LinkVersion | undefined> {
  const { size = 0 } = content;
  if (size === 0 || size > MAX_RECORD) return undefined;
  const bytes = new Uint8Array(size);
  if (!await content.read(0, bytes, options)) return undefined;
  try {
    const found = JSON.parse(new TextDecoder().decode(bytes)) as LinkVersion;
    return typeof found.identity === "string" &&
        Number.isSafeInteger(found.size) && found.size >= 0
      ? { identity: found.identity, size: found.size }
      : undefined;
  } catch {
    return undefined;
  }
}

function offline(what: string, found: string, link: string): ReadError {
  return new ReadError(
    "http.offline",
    `Cannot ${what}: ${found}, and the server is not to be asked; leave --offline out once`,
    { facts: { link } },
  );
}
