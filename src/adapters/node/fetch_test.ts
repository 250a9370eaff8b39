import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import test from "node:test";
import { isCoded } from "../../errors.ts";
import { fetchThrough } from "./fetch.ts";

const NODE = process.versions["bun"] === undefined && !("Deno" in globalThis);

test("fetchThrough() sends requests to the proxy, with its name and password", async () => {
  const seen: IncomingMessage[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request);
    response.end("from the proxy");
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = proxy.address() as AddressInfo;
    const through = () => fetchThrough(`http://me:p%20w@127.0.0.1:${port}`);
    if (NODE) {
      assert.throws(through, (error) => isCoded(error, "http.no-proxy"));
      return;
    }
    const response = await through()("http://image.invalid/a?b", {
      headers: { range: "bytes=0-1" },
    });
    assert.equal(await response.text(), "from the proxy");
    assert.equal(seen[0]?.url, "http://image.invalid/a?b");
    assert.equal(seen[0]?.headers.range, "bytes=0-1");
    assert.equal(
      seen[0]?.headers["proxy-authorization"],
      `Basic ${btoa("me:p w")}`,
    );
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test(
  "fetchThrough() names a proxy that does not answer, without its password",
  {
    skip: NODE,
  },
  async () => {
    const server = createServer();
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", resolve)
    );
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const fetch = fetchThrough(`http://me:secret@127.0.0.1:${port}`);
    await assert.rejects(fetch("http://image.invalid/a"), (error: Error) => {
      assert.match(error.message, new RegExp(`the proxy 127.0.0.1:${port}: .`));
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    const signal = AbortSignal.abort("left");
    await assert.rejects(
      fetch("http://image.invalid/a", { signal }),
      (error) => error === "left",
    );
  },
);

test("fetchThrough() is the runtime's own without a proxy", () => {
  assert.equal(fetchThrough(undefined), fetch);
});
