import process from "node:process";
import { ReadError } from "../../errors.ts";
import { reasonOf } from "../../http/failure.ts";

/** What each runtime takes besides the standard, to go through a proxy. */
type ProxyInit = RequestInit & { client?: unknown; proxy?: string };
type CreateHttpClient = (options: {
  readonly proxy: {
    readonly url: string;
    readonly basicAuth?: {
      readonly username: string;
      readonly password: string;
    };
  };
}) => unknown;

/**
 * Gives `fetch` through an HTTP proxy. Without one, the runtime's own, which goes by the environment's
 * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` on Deno and Bun.
 *
 * @param proxy `http://HOST:PORT`, with name and password before the host where they are wanted.
 * @throws {ReadError} `http.no-proxy` on Node, whose `fetch` takes none
 */
export function fetchThrough(proxy: string | undefined): typeof fetch {
  if (proxy === undefined) return fetch;
  const init = proxyInit(proxy);
  const { host } = new URL(proxy);
  return async (input, given) => {
    try {
      return await fetch(input, { ...given, ...init });
    } catch (cause) {
      given?.signal?.throwIfAborted();
      // runtimes name neither; the reader cannot know that there is a proxy
      throw new TypeError(`through the proxy ${host}: ${reasonOf(cause)}`);
    }
  };
}

function proxyInit(proxy: string): ProxyInit {
  if (process.versions["bun"] !== undefined) return { proxy };
  const { Deno } = globalThis as {
    readonly Deno?: { readonly createHttpClient?: CreateHttpClient };
  };
  if (Deno?.createHttpClient === undefined) {
    throw new ReadError(
      "http.no-proxy",
      "Cannot fetch through a proxy: Node's fetch takes none; use the executable, Deno or Bun",
    );
  }
  const url = new URL(proxy);
  const { username, password } = url;
  url.username = url.password = "";
  const basicAuth = {
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
  const client = Deno.createHttpClient({
    proxy: { url: url.href, ...(username === "" ? {} : { basicAuth }) },
  });
  return { client };
}
