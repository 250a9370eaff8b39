import { type HttpAddress, parseHttpUrl, shownUrl } from "./address.ts";
import { Exchange, type ExchangeWorld } from "./exchange.ts";
import { HttpFailure } from "./failure.ts";
import type { HttpEvent } from "./options.ts";

/** Redirects followed for one request, as `fetch` does. */
const MAX_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a place says that a redirect led to once and that is no longer good. */
const EXPIRED: ReadonlySet<number> = new Set([403, 404, 410]);

/** What a {@linkcode HttpLink} is made of. */
export interface HttpLinkOptions extends ExchangeWorld {
  /** Sent with each request to the origin of the link, and to no other. */
  readonly headers: Headers;
  /** Origin of the page, where there is one. */
  readonly pageOrigin: string | undefined;
  /** Is told of redirects. */
  readonly tell: (event: HttpEvent) => void;
}

/** A link, and where it leads: sends requests, follows redirects, keeps credentials where they belong. */
export class HttpLink {
  readonly address: HttpAddress;
  /** Whether anything was answered yet: until then, what fails may be the link itself. */
  answered = false;
  readonly #options: HttpLinkOptions;
  /** Where redirects led; asked directly from then on. */
  #target: string | undefined;
  /** Where the bytes came from last. */
  #told: string;
  /** Browsers do not show redirects: `fetch` has to follow them, where no headers may leak by that. */
  #fetchFollows = false;

  constructor(address: HttpAddress, options: HttpLinkOptions) {
    this.address = address;
    this.#options = options;
    this.#told = address.href;
  }

  /** Where the bytes come from, as people may see it. */
  get url(): string {
    return shownUrl(this.#target ?? this.address.href);
  }

  /**
   * Asks for the file.
   *
   * Where a redirect led once is asked directly, and the link itself again when that place has
   * expired (403, 404, 410): links that are signed for a time.
   *
   * @param range Value of `Range`, all of the file when absent.
   * @returns The answer, whatever its status. The caller closes it.
   * @throws {HttpFailure} `http.network`, `http.cors`, `http.stalled`, `http.redirect-loop`,
   * `http.bad-redirect`
   */
  async request(
    range: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    const kept = this.#target;
    const answer = await this.#follow(kept, range, signal);
    if (kept === undefined || !EXPIRED.has(answer.response.status)) {
      return answer;
    }
    answer.close();
    // Another request may have found the new place already.
    if (this.#target === kept) this.#target = undefined;
    return await this.#follow(this.#target, range, signal);
  }

  async #follow(
    target: string | undefined,
    range: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    let href = target ?? this.address.href;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const exchange = await this.#send(href, range, signal);
      const { response } = exchange;
      if (response.type === "opaqueredirect") {
        exchange.close();
        // the browser would take them along, wherever it is led
        if (this.#hasOwnHeaders(href)) throw hiddenRedirect();
        this.#fetchFollows = true;
        continue;
      }
      this.answered = true;
      if (!REDIRECTS.has(response.status)) {
        this.#arrived(response.redirected ? response.url : href);
        return exchange;
      }
      exchange.close();
      href = next(href, response);
    }
    throw new HttpFailure(
      "http.redirect-loop",
      `server redirected ${MAX_REDIRECTS} times`,
      {
        expected: "an end",
        todo: "check the link",
        facts: { redirects: MAX_REDIRECTS },
      },
    );
  }

  async #send(
    href: string,
    range: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Exchange> {
    const { pageOrigin } = this.#options;
    const headers = this.#headersFor(href);
    if (range !== undefined) headers.set("range", range);
    const init: RequestInit = {
      headers,
      redirect: this.#fetchFollows ? "follow" : "manual",
      // Chromium's cache takes one request after another for one link; we keep bytes ourselves.
      ...(pageOrigin === undefined ? {} : { cache: "no-store" }),
    };
    try {
      return await Exchange.send(this.#options, href, init, signal);
    } catch (error) {
      if (
        error instanceof HttpFailure && error.code === "http.network" &&
        !this.answered && pageOrigin !== undefined &&
        pageOrigin !== new URL(href).origin
      ) throw corsFailure(error, pageOrigin);
      throw error;
    }
  }

  /** Credentials, and headers that may be some, go to the origin that they were given for. */
  #headersFor(href: string): Headers {
    const { authorization } = this.address;
    const own = this.#isOwn(href);
    const headers = new Headers(own ? this.#options.headers : undefined);
    if (own && authorization !== undefined && !headers.has("authorization")) {
      headers.set("authorization", authorization);
    }
    // Browsers leave this one out, and send it by themselves where there is a range.
    headers.set("accept-encoding", "identity");
    return headers;
  }

  #hasOwnHeaders(href: string): boolean {
    return this.#isOwn(href) && [...this.#options.headers].length > 0;
  }

  #isOwn(href: string): boolean {
    return new URL(href).origin === this.address.origin;
  }

  #arrived(href: string): void {
    this.#target = href === this.address.href ? undefined : href;
    if (href === this.#told) return;
    const from = shownUrl(this.#told);
    this.#told = href;
    this.#options.tell({ type: "redirected", from, to: shownUrl(href) });
  }
}

/** Where an answer leads to. Credentials in there are nobody's that we know, and are left out. */
function next(href: string, response: Response): string {
  const location = response.headers.get("location");
  try {
    if (location === null) throw new TypeError("no Location");
    return parseHttpUrl(new URL(location, href)).href;
  } catch (cause) {
    throw new HttpFailure(
      "http.bad-redirect",
      `server answered ${response.status} with ${
        location === null ? "no Location" : "a Location that leads nowhere"
      }`,
      {
        expected: "a link of http or https",
        todo: "check the link",
        facts: { status: response.status },
        cause,
      },
    );
  }
}

function hiddenRedirect(): HttpFailure {
  return new HttpFailure(
    "http.bad-redirect",
    "server redirected, and the browser does not say where to",
    {
      expected: "no redirect of a link with headers",
      todo: "use the link that it leads to",
    },
  );
}

function corsFailure(failure: HttpFailure, pageOrigin: string): HttpFailure {
  return new HttpFailure(
    "http.cors",
    `the browser gave no answer to a page of ${pageOrigin}`,
    {
      expected: "an answer with Access-Control-Allow-Origin",
      todo: CORS_TODO,
      facts: { pageOrigin },
      cause: failure.options.cause,
      again: true,
    },
  );
}

/** What a server has to send so that a page of another origin may read ranges. */
export const CORS_TODO =
  "the server must send Access-Control-Allow-Origin and " +
  "Access-Control-Expose-Headers: Content-Range, ETag, and allow the header Range; " +
  "use a host that does, or download the file and choose it";
