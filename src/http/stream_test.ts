import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "../../tests/conformance/controlled_source.ts";
import type { ErrorCode } from "../errors.ts";
import type { Misbehaviour } from "../../tests/support/http_server.ts";
import {
  failsWith,
  FILE,
  QUICK,
  same,
  until,
  withServer,
} from "../../tests/support/http_world.ts";
import { openHttpStream } from "./stream.ts";

async function readAll(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body).arrayBuffer());
}

test("openHttpStream() gives a file, its size and its version by one request", async () => {
  await withServer({}, async (server) => {
    const stream = await openHttpStream(server.url("/a?b"), QUICK);
    assert.equal(stream.size, FILE.length);
    assert.equal(stream.name, server.url("/a?…"));
    assert.equal(stream.validator, "etag");
    assert.ok(stream.identity.endsWith(`|etag:"v1"|size:${FILE.length}`));
    assert.ok(same(await readAll(stream.body), FILE));
    assert.equal(server.requests.length, 1);
    assert.equal(server.requests[0]!.range, undefined);
    const { bytesReceived, openRequests } = stream.statistics;
    assert.equal(bytesReceived, FILE.length);
    assert.equal(openRequests, 0);
  });
});

test("openHttpStream() gives a file of a size that nobody says", async () => {
  await withServer({ behave: () => "200 without a length" }, async (server) => {
    const stream = await openHttpStream(server.url(), QUICK);
    assert.equal(stream.size, undefined);
    assert.ok(same(await readAll(stream.body), FILE));
  });
});

test("a stream that breaks goes on from the byte reached, by ranges", async () => {
  for (const how of ["reset in the body", "stall in the body"] as const) {
    await withServer({}, async (server) => {
      server.settings.behave = ({ index }) => index < 3 ? how : undefined;
      const stream = await openHttpStream(server.url(), {
        ...QUICK,
        stallMs: how === "stall in the body" ? 500 : 10_000,
      });
      assert.ok(same(await readAll(stream.body), FILE));
      assert.equal(server.requests.length, 4);
      assert.ok(server.requests[3]!.range!.start > FILE.length / 2);
      assert.equal(stream.statistics.bytesReceived, FILE.length);
      assert.equal(stream.statistics.retries, 3);
    });
  }
});

test("a stream that breaks begins anew where there are no ranges, by the same version", async () => {
  for (const length of ["200 for a range", "200 without a length"] as const) {
    await withServer({}, async (server) => {
      let broken = 0;
      server.settings.behave = ({ index }) =>
        index === 0 ? "reset in the body" : length;
      if (length === "200 without a length") {
        server.settings.behave = () => length;
      }
      const stream = await openHttpStream(server.url(), {
        ...QUICK,
        // a connection that breaks where the server does not know of it
        fetch: async (url, init) => {
          const response = await fetch(url, init);
          if (length === "200 for a range" || broken++ > 0) return response;
          const body = response.body!.pipeThrough(
            new TransformStream({
              transform(chunk, controller) {
                controller.enqueue(chunk.subarray(0, 1000));
                controller.error(new TypeError("broke"));
              },
            }),
          );
          return new Response(body, response);
        },
      });
      assert.ok(same(await readAll(stream.body), FILE));
      assert.equal(server.requests.length, 2);
    });
  }
});

test("a stream that breaks fails where nothing says that the rest belongs to it", async () => {
  const cases: [Misbehaviour, ErrorCode, string | undefined][] = [
    ["other ETag", "http.changed", '"v1"'],
    ["other size", "http.changed", '"v1"'],
    ["200 for a range", "http.no-ranges", undefined],
    ["404", "http.status", '"v1"'],
    ["wrong end", "http.no-ranges", '"v1"'],
  ];
  for (const [how, code, etag] of cases) {
    await withServer({ etag, lastModified: undefined }, async (server) => {
      server.settings.behave = ({ index }) =>
        index === 0 ? "reset in the body" : how;
      const stream = await openHttpStream(server.url(), QUICK);
      const message = await failsWith(code, readAll(stream.body));
      assert.match(message, /^Cannot read "http:/);
      assert.equal(stream.statistics.openRequests, 0);
    });
  }
});

test("a stream that breaks again and again without progress ends", async () => {
  await withServer({}, async (server) => {
    server.settings.behave = () => "reset in the body";
    const stream = await openHttpStream(server.url(), QUICK);
    await failsWith("http.network", readAll(stream.body));
    assert.ok(server.requests.length < 20);
  });
});

test("openHttpStream() tries again what may succeed, and nothing else", async () => {
  await withServer({}, async (server) => {
    server.settings.behave = ({ index }) => index < 2 ? "503" : undefined;
    const stream = await openHttpStream(server.url(), QUICK);
    assert.ok(same(await readAll(stream.body), FILE));
    server.settings.behave = () => "404";
    await failsWith("http.status", openHttpStream(server.url(), QUICK));
    assert.equal(server.requests.length, 4);
  });
});

test("cancelling or aborting a stream ends its request", async () => {
  const content = new Uint8Array(64 << 20);
  const ways = ["cancel", "cancel of a wait", "abort", "abort of a wait"];
  for (const how of ways) {
    await withServer({ content }, async (server) => {
      if (how.endsWith("of a wait")) {
        server.settings.behave = () => "stall in the body";
      }
      const controller = new AbortController();
      const { signal } = controller;
      const options = { ...QUICK, stallMs: 60_000, signal };
      const stream = await openHttpStream(server.url(), options);
      const reader = stream.body.getReader();
      const { value } = await reader.read();
      // nothing is fetched that nobody asks for
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(stream.statistics.bytesReceived, value!.length);
      const reason = new Error("left");
      const readRest = async () => {
        while (!(await reader.read()).done);
      };
      if (how === "cancel") await reader.cancel();
      else {
        const rest = readRest();
        rest.catch(() => {});
        if (how === "cancel of a wait") {
          const half = content.length / 2;
          await until(() => stream.statistics.bytesReceived === half);
          await reader.cancel();
          await rest;
        } else {
          controller.abort(reason);
          await assert.rejects(rest, (error) => error === reason);
        }
      }
      await until(() => server.open === 0);
      await settle();
      assert.equal(stream.statistics.retries, 0);
      assert.equal(stream.statistics.openRequests, 0);
      assert.equal(server.requests.length, 1);
      assert.equal(server.requests[0]!.ended, "aborted");
    });
  }
});
