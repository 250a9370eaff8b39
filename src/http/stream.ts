import { onAbort } from "../block/abortable.ts";
import { changed, checkUnchanged, noRanges, shortBody } from "./answer.ts";
import type { Version } from "./answer.ts";
import { parseContentLength, parseContentRange } from "./content_range.ts";
import type { Exchange } from "./exchange.ts";
import { HttpFailure, statusFailure } from "./failure.ts";
import { identify } from "./identity.ts";
import type { HttpStatistics } from "./meter.ts";
import { connect, type HttpConnection, type HttpOptions } from "./options.ts";
import { readValidators, strongest, type Validators } from "./validators.ts";

/** A file on a server, from its start to its end. */
export interface HttpStream {
  /** Bytes in all; `undefined` when the server does not say, or sends them encoded. */
  readonly size: number | undefined;
  /** The link, without credentials, `?…` for a query. */
  readonly name: string;
  /** As that of a reader of the same link, see {@linkcode HttpReader}. */
  readonly identity: string;
  /** Where the bytes come from, after redirects, as `name` is shown. */
  readonly url: string;
  /** What the server said of the version. */
  readonly validators: Validators;
  /** What `identity` rests on; `undefined` when nothing may be kept. */
  readonly validator: "etag" | "last-modified" | undefined;
  /** What went over the network so far. */
  readonly statistics: HttpStatistics;
  /** The bytes. Nothing is fetched that is not asked for; cancelling it ends the request. */
  readonly body: ReadableStream<Uint8Array>;
}

/**
 * Opens a file as a stream, for what can only be fetched whole: from servers without ranges, or to be
 * unpacked. One request, and one for each time that the connection breaks: it goes on from the byte
 * reached where the server has ranges; where it has none, and the version has a name, what is here
 * already is fetched and dropped.
 *
 * @param options.signal Stops opening and the stream.
 * @throws {ReadError} as {@linkcode openHttp}. The stream fails with these too, with `http.changed`
 * when the file was replaced meanwhile, with `http.short-body` when it ends before its time.
 *
 * @example
 * ```ts
 * import { openHttpStream } from "./stream.ts";
 *
 * const server = () => Promise.resolve(new Response("abc", { headers: { "content-length": "3" } }));
 * const stream = await openHttpStream("http://example.org/a", { fetch: server });
 * console.assert(stream.size === 3 && await new Response(stream.body).text() === "abc");
 * ```
 */
export async function openHttpStream(
  url: string | URL,
  options: HttpOptions = {},
): Promise<HttpStream> {
  const connection = connect(url, options);
  const { link, meter } = connection;
  const source = new StreamSource(connection, options.signal);
  const { size, validators } = await source.open();
  const { identity, validator } = await identify(connection, validators, size);
  return {
    size,
    name: link.address.shown,
    identity,
    validators,
    validator,
    get url() {
      return link.url;
    },
    get statistics() {
      return meter.statistics;
    },
    body: new ReadableStream<Uint8Array>({
      pull: (controller) => source.pull(controller),
      cancel: (reason) => source.cancel(reason),
    }, { highWaterMark: 0 }),
  };
}

class StreamSource {
  readonly #connection: HttpConnection;
  /** Ends every wait: when the caller says so, or when the stream is cancelled. */
  readonly #controller = new AbortController();
  readonly #forget: () => void = () => {};
  #exchange: Exchange | undefined;
  #size: number | undefined;
  #validators: Validators = {};
  /** Bytes handed on. */
  #done = 0;
  /** Bytes to drop: the server began anew. */
  #skip = 0;
  readonly #tally = { failed: 0, at: 0 };

  constructor(connection: HttpConnection, signal: AbortSignal | undefined) {
    this.#connection = connection;
    if (signal === undefined) return;
    const leave = () => this.#controller.abort(signal.reason);
    if (signal.aborted) leave();
    else this.#forget = onAbort(signal, leave);
  }

  async open(): Promise<
    { readonly size: number | undefined; readonly validators: Validators }
  > {
    await this.#run("open", async () => {
      const exchange = await this.#request(undefined);
      try {
        const { response } = exchange;
        const { headers, status } = response;
        if (status !== 200) throw this.#status(response, "200");
        // `fetch` undoes an encoding: the length is that of something else then.
        this.#size = headers.has("content-encoding")
          ? undefined
          : parseContentLength(headers.get("content-length"));
        this.#validators = readValidators(headers);
        this.#exchange = exchange;
      } catch (error) {
        exchange.close();
        throw error;
      }
    }).catch((error) => {
      this.#end();
      throw error;
    });
    return { size: this.#size, validators: this.#validators };
  }

  async pull(
    controller: ReadableStreamDefaultController<Uint8Array>,
  ): Promise<void> {
    let chunk: Uint8Array | undefined;
    try {
      await this.#run("read", async () => {
        try {
          this.#exchange ??= await this.#resume();
          chunk = await this.#next(this.#exchange);
        } catch (error) {
          this.#drop();
          throw error;
        }
      });
    } catch (error) {
      this.#end();
      throw error;
    }
    if (chunk === undefined) {
      this.#end();
      controller.close();
    } else {
      this.#done += chunk.length;
      this.#connection.meter.bytesAsked += chunk.length;
      controller.enqueue(chunk);
    }
  }

  cancel(reason: unknown): void {
    // first: a read that waits must not try again
    this.#controller.abort(reason);
    this.#end();
  }

  #end(): void {
    this.#forget();
    this.#drop();
  }

  #drop(): void {
    this.#exchange?.close();
    this.#exchange = undefined;
  }

  #run(what: "open" | "read", attempt: () => Promise<void>): Promise<void> {
    const { shown } = this.#connection.link.address;
    return this.#connection.retrier.run({
      what: () => `${what} "${shown}"`,
      signal: this.#controller.signal,
      done: () => this.#done,
      tally: this.#tally,
      attempt,
    });
  }

  #request(range: string | undefined): Promise<Exchange> {
    return this.#connection.link.request(range, this.#controller.signal);
  }

  #status(response: Response, expected: string): HttpFailure {
    return statusFailure(response, expected, this.#connection.clock.now());
  }

  /** The next bytes that were not handed on yet. */
  async #next(exchange: Exchange): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = await exchange.next();
      const size = this.#size;
      if (chunk === undefined) {
        if (this.#skip > 0 || (size !== undefined && this.#done < size)) {
          throw shortBody(this.#done - this.#skip, size);
        }
        return undefined;
      }
      if (this.#skip >= chunk.length) {
        this.#skip -= chunk.length;
        continue;
      }
      const rest = chunk.subarray(this.#skip);
      this.#skip = 0;
      if (size !== undefined && this.#done + rest.length > size) {
        throw new HttpFailure(
          "http.long-body",
          `server sent more than ${size} bytes`,
          { expected: "not one more" },
        );
      }
      return rest;
    }
  }

  /** Asks for what is missing, of the same version. */
  async #resume(): Promise<Exchange> {
    const size = this.#size;
    const from = this.#done;
    // Without a size nothing says that bytes of the stream are bytes of the file.
    const ranged = size !== undefined && from > 0;
    const exchange = await this.#request(
      ranged ? `bytes=${from}-${size - 1}` : undefined,
    );
    try {
      const { response } = exchange;
      const { status, headers } = response;
      if (status !== 200 && !(ranged && status === 206)) {
        throw this.#status(response, ranged ? "206" : "200");
      }
      const known: Version = {
        total: size ?? 0,
        validators: this.#validators,
      };
      checkUnchanged(known, headers);
      if (status === 206) {
        const text = headers.get("content-range") ?? "";
        const range = parseContentRange(text);
        if (range?.total !== undefined && range.total !== size) {
          throw changed(`${range.total} bytes`, `${size}`);
        }
        if (range?.start !== from || range.end !== size) {
          throw noRanges(`server sent Content-Range ${JSON.stringify(text)}`);
        }
        this.#skip = 0;
        return exchange;
      }
      const length = headers.has("content-encoding")
        ? undefined
        : parseContentLength(headers.get("content-length"));
      if (length !== size) {
        throw changed(`${length ?? "unknown"} bytes`, `${size ?? "unknown"}`);
      }
      if (from > 0 && strongest(this.#validators) === undefined) {
        throw new HttpFailure(
          "http.no-ranges",
          "connection broke, and the server answered 200 to the rest",
          {
            expected: "206, or an ETag to begin anew by",
            todo: "try again",
            facts: { done: from },
          },
        );
      }
      this.#skip = from;
      return exchange;
    } catch (error) {
      exchange.close();
      throw error;
    }
  }
}
