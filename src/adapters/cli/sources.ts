/**
 * Where the outermost file of an image is, and all that is open on the way to it.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BlockReader, ClosableReader } from "../../block/reader.ts";
import { openSpooled } from "../../block/spool.ts";
import type { ContentStore, SpoolProgress } from "../../block/store.ts";
import { withStore } from "../../block/with_store.ts";
import type { Fetched } from "../../boot/run/events.ts";
import type { ChunkStore } from "../../format/casync/chunks.ts";
import { openCasync } from "../../format/casync/open.ts";
import { parseHttpUrl } from "../../http/address.ts";
import { withHttpAccess, withHttpMerging } from "../../http/access.ts";
import { openOffline, rememberLink } from "../../http/links.ts";
import type { HttpStatistics } from "../../http/meter.ts";
import { openHttp } from "../../http/open.ts";
import type { HttpEvent, HttpOptions } from "../../http/options.ts";
import { openHttpStream } from "../../http/stream.ts";
import {
  type Digest,
  type DigestReader,
  verifyDigest,
  withDigest,
} from "../../image/digest.ts";
import { openDiskStore } from "../node/disk_store.ts";
import { fetchThrough } from "../node/fetch.ts";
import { openFile } from "../node/file.ts";
import { openCache } from "./cache.ts";
import {
  folderStore,
  hashChunk,
  linkStore,
  offlineStore,
} from "./chunk_store.ts";
import { type ImageOptions, UsageError } from "./command.ts";
import type { Output } from "./output.ts";
import { SpoolView } from "./spool_view.ts";
import { formatDuration } from "./view/format.ts";

/** Waits before another attempt that are worth a word. */
const LONG_WAIT_MS = 1000;

/** A link, rather than a path. */
export function isLink(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * The path that a place other than a link means: itself, or that of a `file:` URL.
 *
 * @throws {UsageError} for URLs of other kinds
 */
export function localPath(place: string): string {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(place) ?? [];
  if (scheme === undefined) return place;
  if (scheme.toLowerCase() !== "file") {
    throw new UsageError(
      `Cannot open "${scheme}://…", expected a file, http:// or https://`,
    );
  }
  try {
    return fileURLToPath(place);
  } catch {
    throw new UsageError(
      `Cannot open "${place}": it leads to no file of this machine, expected file:///… or a path`,
    );
  }
}

/** Opens files and links as the user wants them opened, counts what they bring, and closes them. */
export class Sources {
  /** How far work is that goes through whole files. */
  readonly view: SpoolView;
  /** Keeps what had to be unpacked: until the program ends, when nothing is to stay longer. */
  readonly spool: ContentStore;
  /** Keeps what links brought for the next time; absent when nothing is to be kept. */
  readonly #cache: ContentStore | undefined;
  /** Local files that were opened. */
  readonly localFiles: string[] = [];
  readonly #options: ImageOptions;
  readonly #output: Output;
  readonly #signal: AbortSignal;
  readonly #opened: { close(): Promise<void> }[] = [];
  readonly #statistics: (() => HttpStatistics)[] = [];
  readonly #http: HttpOptions;
  /** Origin of the first link, which alone is sent the user's headers; absent while all is local. */
  #origin: string | undefined;
  /** Of chunks that are here. */
  readonly #chunks = new Total();
  #fileBytes = 0;

  constructor(options: ImageOptions, output: Output, signal: AbortSignal) {
    this.#options = options;
    this.#output = output;
    this.#signal = signal;
    this.view = new SpoolView(output);
    this.#cache = options.cache ? openCache(output) : undefined;
    this.spool = this.#cache ?? this.#temporaryStore();
    this.#http = {
      fetch: fetchThrough(options.proxy),
      signal,
      onEvent: (event) => this.#tell(event),
    };
  }

  #temporaryStore(): ContentStore {
    const folder = join(tmpdir(), `fastboop-${crypto.randomUUID()}`);
    this.keep({ close: () => rm(folder, { recursive: true, force: true }) });
    return openDiskStore(folder, {
      onWarning: ({ message }) => this.view.note(message),
    });
  }

  /** How a link is asked for: another origin than the first is not told what the user has for that. */
  #httpFor(url: string): HttpOptions {
    const { origin } = parseHttpUrl(url);
    this.#origin ??= origin;
    if (origin !== this.#origin) return this.#http;
    const { headers } = this.#options;
    return { ...this.#http, headers: headers.map(([...pair]) => pair) };
  }

  /** What was fetched so far; files count as one. */
  fetched(): Fetched {
    if (this.#statistics.length === 0) return { bytes: this.#fileBytes };
    const all = this.#statistics.map((statistics) => statistics());
    all.push(this.#chunks.total);
    const sum = (value: (one: HttpStatistics) => number) =>
      all.reduce((total, one) => total + value(one), 0);
    return {
      bytes: this.#fileBytes + sum(({ bytesReceived }) => bytesReceived),
      requests: sum(({ requests }) => requests),
      bytesPerSecond: sum(({ bytesPerSecond }) => bytesPerSecond),
    };
  }

  /** For what goes through whole files. */
  progress(progress: SpoolProgress): void {
    this.view.progress(progress);
  }

  /** Has something closed with the rest, before what was opened earlier. */
  keep<T extends { close(): Promise<void> }>(opened: T): T {
    this.#opened.push(opened);
    return opened;
  }

  /** Closes everything, what was opened last first; one that fails keeps no other open. */
  async close(): Promise<void> {
    this.view.clear();
    let failed: { readonly error: unknown } | undefined;
    for (const opened of this.#opened.splice(0).reverse()) {
      try {
        await opened.close();
      } catch (error) {
        failed ??= { error };
      }
    }
    if (failed !== undefined) throw failed.error;
  }

  /**
   * Opens a file or a link, without what reads ahead.
   *
   * @throws {UsageError} for links that are none of http and https
   */
  async open(place: string): Promise<BlockReader> {
    if (isLink(place)) return await this.#openLink(place);
    return await this.openFile(localPath(place));
  }

  /** Opens a file. Its bytes are counted, its path is remembered. */
  async openFile(path: string): Promise<BlockReader> {
    const file = this.keep(await openFile(path, { signal: this.#signal }));
    this.localFiles.push(path);
    return {
      blockSize: file.blockSize,
      size: file.size,
      name: file.name,
      identity: file.identity,
      read: async (offset, into, options) => {
        const size = await file.read(offset, into, options);
        this.#fileBytes += size;
        return size;
      },
    };
  }

  /** Opens a link, with what makes few requests of many reads. */
  async openLink(url: string): Promise<BlockReader> {
    return withHttpAccess(await this.#openLink(url));
  }

  /** Opens a link by ranges, through the cache; or all of it, when that is wanted. */
  async #openLink(url: string): Promise<BlockReader> {
    const { offline, spool } = this.#options;
    const signal = this.#signal;
    const http = this.#httpFor(url);
    if (offline) {
      const cache = this.#cache!;
      const kept = await openOffline(cache, url, { signal });
      return this.keep(await withStore(kept, cache, { signal }));
    }
    if (spool) return await this.#spool(url, http);
    const reader = this.keep(await openHttp(url, http));
    this.#statistics.push(() => reader.statistics);
    // a name of the content that lasts is what makes it safe to keep
    const cache = this.#cache;
    if (cache === undefined || reader.validator === undefined) return reader;
    await rememberLink(cache, url, reader, { signal });
    const merged = withHttpMerging(reader);
    return this.keep(await withStore(merged, cache, { signal }));
  }

  /** Opens the file that a casync index tells the chunks of. */
  async openCasync(
    index: BlockReader,
    store: string,
  ): Promise<BlockReader> {
    const opened = await openCasync(index, {
      store: this.#chunkStore(store),
      chunks: this.#cache,
      hash: hashChunk,
      signal: this.#signal,
    });
    return this.keep(opened);
  }

  #chunkStore(place: string): ChunkStore {
    if (!isLink(place)) return folderStore(place);
    const http = this.#httpFor(place);
    return this.#options.offline
      ? offlineStore(place)
      : linkStore(place, http, (one) => this.#chunks.add(one));
  }

  /**
   * Checks a digest as far as that can be done: at once where all is local or to be fetched whole, else
   * while it is read, and says at the end when that was not enough.
   *
   * @throws {ReadError} `digest.mismatch`; also of reads
   */
  async checkDigest(reader: BlockReader, digest: Digest): Promise<BlockReader> {
    if (this.#origin === undefined || this.#options.spool) {
      await verifyDigest(reader, digest, {
        signal: this.#signal,
        onProgress: (progress) => this.progress(progress),
      });
      return reader;
    }
    const checked = withDigest(reader, digest);
    this.keep({ close: () => this.#tellUnverified(checked) });
    return checked;
  }

  /** Says at the end when a digest was given and could not be checked. */
  #tellUnverified({ name, verified, size }: DigestReader): Promise<void> {
    if (verified < size) {
      this.#output.warn(
        `the digest of "${name}" was not verified: only parts of it were fetched; use --spool to fetch and verify all of it first`,
      );
    }
    return Promise.resolve();
  }

  /** Fetches all of a link, from servers without ranges as well. */
  async #spool(url: string, http: HttpOptions): Promise<ClosableReader> {
    const first = await openHttpStream(url, http);
    const { identity, name, size, validator } = first;
    this.#statistics.push(() => first.statistics);
    let body: ReadableStream<Uint8Array> | undefined = first.body;
    const key = { identity, name, size };
    // without a name that lasts, what is kept is of no use to the next program
    const store = this.spool;
    if (validator === undefined) {
      this.keep({ close: () => forget(store, key) });
    }
    const spooled = this.keep(
      await openSpooled({
        key,
        store,
        ahead: Infinity,
        signal: this.#signal,
        onProgress: (progress) => this.progress(progress),
        source: async (signal) => {
          const begun = body;
          body = undefined;
          if (begun !== undefined) return begun;
          const again = await openHttpStream(url, { ...http, signal });
          this.#statistics.push(() => again.statistics);
          return again.body;
        },
      }),
    );
    // the last byte is there when all are
    const last = new Uint8Array(1);
    await spooled.read(Math.max(0, spooled.size - 1), last, {
      signal: this.#signal,
    });
    // what was kept already needs no more of it
    await body?.cancel();
    if (this.#cache !== undefined && validator !== undefined) {
      await rememberLink(this.#cache, url, spooled, { signal: this.#signal });
    }
    return spooled;
  }

  #tell(event: HttpEvent): void {
    if (event.type === "changed") {
      this.view.clear();
      this.#output.warn(
        `the file on the server is another one now: found ${event.found}, expected ${event.expected}`,
      );
    } else if (event.type === "retry" && event.delayMs >= LONG_WAIT_MS) {
      this.view.clear();
      this.#output.warn(
        `${event.found}; trying again in ${formatDuration(event.delayMs)}`,
      );
    }
  }
}

/** What many short connections cost together. */
class Total {
  total: HttpStatistics = {
    requests: 0,
    retries: 0,
    bytesAsked: 0,
    bytesReceived: 0,
    openRequests: 0,
    bytesPerSecond: 0,
  };

  add(one: HttpStatistics): void {
    const { requests, retries, bytesAsked, bytesReceived } = this.total;
    this.total = {
      ...this.total,
      requests: requests + one.requests,
      retries: retries + one.retries,
      bytesAsked: bytesAsked + one.bytesAsked,
      bytesReceived: bytesReceived + one.bytesReceived,
    };
  }
}

async function forget(
  store: ContentStore,
  key: { readonly identity: string; readonly name: string },
): Promise<void> {
  const content = await store.open(key);
  await content.drop();
  await content.close();
}
