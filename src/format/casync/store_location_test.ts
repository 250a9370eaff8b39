import assert from "node:assert/strict";
import test from "node:test";
import { defaultChunkStore } from "./store_location.ts";

test("defaultChunkStore() puts chunks beside indexes", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      "https://a.example/indexes/b/c.caibx?x=/indexes/",
      "https://a.example/chunks",
    ],
    [
      "https://a.example/x/indexes/y/indexes/c.caibx",
      "https://a.example/x/indexes/y/chunks",
    ],
    ["https://a.example/x/c.caibx#y", "https://a.example/x"],
    ["https://a.example/c.caibx", "https://a.example"],
    ["https://indexes/c.caibx", "https://indexes"],
    ["file:///srv/indexes/c.caibx", "file:///srv/chunks"],
    ["/srv/indexes/c.caibx", "/srv/chunks"],
    ["/srv/what?/c.caibx", "/srv/what?"],
    ["indexes/c.caibx", "chunks"],
    ["c.caibx", "."],
    ["/c.caibx", "/"],
  ];
  for (const [index, store] of cases) {
    assert.equal(defaultChunkStore(index), store, index);
  }
});
