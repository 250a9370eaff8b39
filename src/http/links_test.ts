import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../block/memory.ts";
import { memoryStore } from "../block/memory_store.ts";
import { withStore } from "../block/with_store.ts";
import { openOffline, rememberLink } from "./links.ts";

const URL = "https://me:word@example.invalid/a.img?token=1";
const read = { identity: "http:a|etag:1", size: 100_000 };

test("openOffline() gives what was kept of the version that a link led to last", async () => {
  const store = memoryStore();
  await assert.rejects(openOffline(store, URL), {
    code: "http.offline",
    message:
      'Cannot open "https://example.invalid/a.img?…": nothing of it is kept, and the server is not to be asked; leave --offline out once',
  });
  await rememberLink(store, URL, { identity: "http:a|etag:0", size: 5 });
  await rememberLink(store, URL, read);
  await rememberLink(store, URL, read);
  const bytes = Uint8Array.from({ length: read.size }, (_, i) => i * 3);
  const online = await withStore(openMemory(bytes, read), store);
  await online.read(40_000, new Uint8Array(10));
  await online.close();

  const link = await openOffline(store, URL);
  assert.equal(link.identity, read.identity);
  assert.equal(link.size, read.size);
  const kept = await withStore(link, store);
  const into = new Uint8Array(1000);
  assert.equal(await kept.read(40_000, into), 1000);
  assert.deepEqual(into, bytes.subarray(40_000, 41_000));
  await assert.rejects(kept.read(0, into), { code: "http.offline" });
  assert.equal(await kept.read(read.size, into), 0);
  await kept.close();
  // another query is another link, another password is not
  await assert.rejects(openOffline(store, URL.replace("1", "2")), {
    code: "http.offline",
  });
  await openOffline(store, URL.replace("word", "other"));
});

test("rememberLink() does without a store that has no room", async () => {
  const store = memoryStore({ maxBytes: 0 });
  await rememberLink(store, URL, read);
  await assert.rejects(openOffline(store, URL), { code: "http.offline" });
});
