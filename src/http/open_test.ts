import assert from "node:assert/strict";
import test from "node:test";
import {
  assertReads,
  failsWith,
  FILE,
  QUICK,
  until,
  withServer,
} from "../../tests/support/http_world.ts";
import { memoryStore } from "../block/memory_store.ts";
import { withStore } from "../block/with_store.ts";
import { HTTP_HEAD_SIZE, openHttp } from "./open.ts";
import type { HttpEvent } from "./options.ts";

test("openHttp() costs one request, which is kept", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url("/a.img?token=1"), QUICK);
    assert.equal(reader.size, FILE.length);
    assert.equal(reader.name, server.url("/a.img?…"));
    await assertReads(reader, 0, HTTP_HEAD_SIZE);
    await assertReads(reader, 1000, 4096);
    assert.equal(server.requests.length, 1);
    await assertReads(reader, HTTP_HEAD_SIZE - 10, 30);
    await assertReads(reader, 200_000, 100);
    await assertReads(reader, FILE.length - 5, 100);
    const ranges = server.requests.map(({ range }) => range);
    assert.deepEqual(ranges, [
      { start: 0, end: 65536 },
      { start: 65536, end: 65556 },
      { start: 200_000, end: 200_100 },
      { start: FILE.length - 5, end: FILE.length },
    ]);
    const { requests, bytesAsked, bytesReceived } = reader.statistics;
    assert.equal(requests, 4);
    assert.equal(bytesAsked, HTTP_HEAD_SIZE + 4096 + 30 + 100 + 5);
    assert.equal(bytesReceived, HTTP_HEAD_SIZE + 20 + 100 + 5);
    assert.equal(reader.statistics.openRequests, 0);
    assert.ok(reader.statistics.bytesPerSecond > 0);
    for (const { method, headers, path } of server.requests) {
      assert.equal(method, "GET");
      assert.equal(path, "/a.img?token=1");
      // Node says it twice where there is a range
      assert.match(headers["accept-encoding"]!, /^identity(, identity)?$/);
      assert.equal(headers["if-range"] ?? headers["if-match"], undefined);
    }
  });
});

test("openHttp() opens files that are empty, or smaller than a range", async () => {
  for (const size of [0, 1, 4095, HTTP_HEAD_SIZE, HTTP_HEAD_SIZE + 1]) {
    for (const how of [undefined, "200 for a range", "chunked"] as const) {
      if (how === "200 for a range" && size > HTTP_HEAD_SIZE) continue;
      const content = FILE.subarray(0, size);
      const behave = () => size === 0 && how === "chunked" ? undefined : how;
      await withServer({ content, behave }, async (server) => {
        const reader = await openHttp(server.url(), QUICK);
        assert.equal(reader.size, size);
        await assertReads(reader, 0, size + 10, content);
        assert.equal(server.requests.length, size > HTTP_HEAD_SIZE ? 2 : 1);
      });
    }
  }
});

test("openHttp() refuses at once what has no ranges, and stops its body", async () => {
  const content = new Uint8Array(64 << 20);
  const behave = () => "200 for a range" as const;
  await withServer({ content, behave }, async (server) => {
    const message = await failsWith("http.no-ranges", openHttp(server.url()));
    assert.match(message, /answered 200, expected 206; .*--spool$/);
    assert.equal(server.requests.length, 1);
    await until(() => server.open === 0);
    assert.equal(server.requests[0]!.ended, "aborted");
  });
});

test("openHttp() names content by its version, and by nothing where it has none", async () => {
  await withServer({}, async (server) => {
    const open = async () => await openHttp(server.url("/a?secret=1"), QUICK);
    const { settings } = server;
    const first = await open();
    assert.equal(first.validator, "etag");
    assert.equal((await open()).identity, first.identity);
    assert.ok(!first.identity.includes("secret"));
    assert.ok(first.identity.endsWith(`|etag:"v1"|size:${FILE.length}`));

    settings.etag = '"v2"';
    assert.notEqual((await open()).identity, first.identity);

    settings.etag = undefined;
    const dated = await open();
    assert.equal(dated.validator, "last-modified");
    assert.equal((await open()).identity, dated.identity);

    settings.lastModified = new Date().toUTCString(); // just now: may change again
    const fresh = await open();
    assert.equal(fresh.validator, undefined);
    assert.notEqual((await open()).identity, fresh.identity);

    settings.lastModified = undefined;
    settings.etag = 'W/"v1"';
    const weak = await open();
    assert.equal(weak.validator, undefined);
    assert.notEqual((await open()).identity, weak.identity);
  });
});

test("a reader whose file changed gives nothing any more", async () => {
  await withServer({}, async (server) => {
    const events: HttpEvent[] = [];
    const onEvent = (event: HttpEvent) => events.push(event);
    const reader = await openHttp(server.url(), { ...QUICK, onEvent });
    await assertReads(reader, 100_000, 100);
    server.settings.etag = '"v2"';
    const read = () => reader.read(100_000, new Uint8Array(100));
    const message = await failsWith("http.changed", read());
    assert.match(message, /ETag "v2", expected "v1"; open it again$/);
    const { length } = server.requests;
    server.settings.etag = '"v1"';
    await failsWith("http.changed", read());
    assert.equal(server.requests.length, length);
    assert.deepEqual(events, [
      {
        type: "changed",
        found: 'the file changed: ETag "v2"',
        expected: '"v1"',
      },
    ]);
  });
});

test("openHttp() keeps credentials to headers, and headers to their origin", async () => {
  await withServer({}, async (elsewhere) => {
    await withServer({
      elsewhere: elsewhere.url("/real?sig=hidden"),
      behave: () => "redirect elsewhere",
    }, async (server) => {
      const url = server.url("/a?key=hidden").replace("//", "//me:hidden@");
      const events: HttpEvent[] = [];
      const reader = await openHttp(url, {
        ...QUICK,
        headers: { "x-key": "hidden" },
        onEvent: (event) => events.push(event),
      });
      await assertReads(reader, 100_000, 10);
      assert.equal(server.requests.length, 1);
      assert.equal(
        server.requests[0]!.headers["authorization"],
        `Basic ${btoa("me:hidden")}`,
      );
      assert.equal(server.requests[0]!.headers["x-key"], "hidden");
      assert.equal(elsewhere.requests.length, 2);
      for (const { headers } of elsewhere.requests) {
        assert.equal(headers["authorization"] ?? headers["x-key"], undefined);
      }
      elsewhere.settings.behave = () => "500";
      const shown = [reader.name, reader.identity, reader.url];
      await assert.rejects(
        reader.read(100_000, new Uint8Array(1)),
        (error: Error & { facts?: unknown }) => {
          shown.push(error.message, `${error.stack}`, `${error.cause}`);
          shown.push(JSON.stringify(error.facts));
          return true;
        },
      );
      await elsewhere.close();
      await assert.rejects(
        openHttp(elsewhere.url("/?key=hidden"), QUICK),
        (error: Error) => {
          shown.push(error.message, `${error.stack}`, `${error.cause}`);
          return true;
        },
      );
      shown.push(JSON.stringify(events));
      for (const text of shown) assert.ok(!text.includes("hidden"), text);
      assert.equal(reader.url, elsewhere.url("/real?…"));
    });
  });
});

test("a header given for authorization counts more than the link", async () => {
  await withServer({}, async (server) => {
    await openHttp(server.url().replace("//", "//a:b@"), {
      headers: { authorization: "Bearer x" },
    });
    assert.equal(server.requests[0]!.headers["authorization"], "Bearer x");
  });
});

test("a place that a redirect led to is asked until it expires, then the link again", async () => {
  await withServer({}, async (server) => {
    const good = new Set(["/first"]);
    let place = "/first";
    server.settings.behave = ({ path }) => {
      if (path === "/link") {
        server.settings.elsewhere = place;
        return "redirect elsewhere";
      }
      return good.has(path) ? undefined : "403";
    };
    const events: HttpEvent[] = [];
    const reader = await openHttp(server.url("/link"), {
      ...QUICK,
      onEvent: (event) => events.push(event),
    });
    await assertReads(reader, 100_000, 10);
    await assertReads(reader, 200_000, 10);
    const paths = () => server.requests.splice(0).map(({ path }) => path);
    assert.deepEqual(paths(), ["/link", "/first", "/first", "/first"]);

    place = "/second";
    good.clear();
    good.add("/second");
    await assertReads(reader, 100_000, 10);
    assert.deepEqual(paths(), ["/first", "/link", "/second"]);
    assert.equal(reader.url, server.url("/second"));

    good.clear();
    const read = reader.read(100_000, new Uint8Array(10));
    const message = await failsWith("http.status", read);
    assert.match(message, /answered 403 Forbidden, expected 206; .*expired$/);
    assert.deepEqual(paths(), ["/second", "/link", "/second"]);
    const moves = events.map((event) =>
      event.type === "redirected" && event.to
    );
    assert.deepEqual(moves, [server.url("/first"), server.url("/second")]);
  });
});

/** As browsers answer: redirects are not shown, headers of other origins neither. */
function pageFetch(
  answer: (url: string, init: RequestInit) => Partial<Response>,
): typeof fetch {
  return (url, init) => {
    const { status = 206, headers, ...rest } = answer(`${url}`, init ?? {});
    const body = status === 0 ? null : FILE.subarray(0, HTTP_HEAD_SIZE);
    const response = new Response(body, {
      status: status === 0 ? 200 : status,
      headers: headers ?? {
        "content-range": `bytes 0-${HTTP_HEAD_SIZE - 1}/${FILE.length}`,
      },
    });
    for (const [name, value] of Object.entries(rest)) {
      Object.defineProperty(response, name, { value });
    }
    return Promise.resolve(response);
  };
}

test("openHttp() lets the browser follow redirects that it does not show", async () => {
  const modes: unknown[] = [];
  const reader = await openHttp("https://here.example/a", {
    pageOrigin: "https://page.example",
    fetch: pageFetch((url, { redirect, cache }) => {
      modes.push([url, redirect, cache]);
      return redirect === "manual"
        ? { type: "opaqueredirect", status: 0 }
        : { redirected: true, url: "https://there.example/b?c" };
    }),
  });
  assert.deepEqual(modes, [
    ["https://here.example/a", "manual", "no-store"],
    ["https://here.example/a", "follow", "no-store"],
  ]);
  assert.equal(reader.url, "https://there.example/b?…");
});

test("openHttp() has the browser take no headers along to where it is redirected", async () => {
  const modes: unknown[] = [];
  const opening = openHttp("https://here.example/a", {
    pageOrigin: "https://page.example",
    headers: { "x-token": "secret" },
    fetch: pageFetch((_, { redirect }) => {
      modes.push(redirect);
      return { type: "opaqueredirect", status: 0 };
    }),
  });
  const message = await failsWith("http.bad-redirect", opening);
  assert.match(message, /server redirected, and the browser does not say/);
  assert.deepEqual(modes, ["manual"]);
});

test("openHttp() tells what a server has to send to pages", async () => {
  const pageOrigin = "https://page.example";
  const hidden = openHttp("https://here.example/a", {
    pageOrigin,
    fetch: pageFetch(() => ({ type: "cors", headers: new Headers() })),
  });
  const message = await failsWith("http.cors", hidden);
  assert.match(message, /Access-Control-Expose-Headers: Content-Range, ETag/);
  const fetch = () => Promise.reject(new TypeError("Failed to fetch"));
  const options = { ...QUICK, pageOrigin, fetch };
  const refused = openHttp("https://here.example/a", options);
  assert.match(
    await failsWith("http.cors", refused),
    /no answer to a page of https:\/\/page.example, .*Access-Control-Allow-O/,
  );
  await failsWith("http.network", openHttp(`${pageOrigin}/a`, options));
});

test("openHttp() checks what it is given", async () => {
  await failsWith("http.bad-url", openHttp("file:///a"));
  for (
    const options of [{ maxConcurrent: 0 }, { retries: -1 }, { stallMs: 0 }]
  ) {
    await assert.rejects(openHttp("http://a/", options), RangeError);
  }
});

test("a store gives up what it kept of a file that changed", async () => {
  await withServer({}, async (server) => {
    const store = memoryStore();
    const reader = await openHttp(server.url(), QUICK);
    const stored = await withStore(reader, store);
    await assertReads(stored, 100_000, 1000);
    server.settings.etag = '"v2"';
    const read = stored.read(200_000, new Uint8Array(10));
    await failsWith("http.changed", read);
    await stored.close();
    const content = await store.open(reader);
    assert.ok(!content.has(100_000, 1000));
    await content.close();
  });
});
