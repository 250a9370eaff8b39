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

test("fetchThrough() is the runtime's own without a proxy", () => {
  assert.equal(fetchThrough(undefined), fetch);
});
