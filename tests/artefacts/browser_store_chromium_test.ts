/**
 * The store of browsers in a real one: the suite of stores, several pages, damage, no room.
 *
 * @module
 */

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Page } from "playwright-core";
import { contentStoreCases } from "../conformance/content_store.ts";
import {
  needsBrowser,
  startBrowser,
  type TestBrowser,
} from "../support/browser.ts";

const CODE = `
import { indexedDbStore } from "./src/adapters/browser/indexeddb_store.ts";
import { openMemory } from "./src/block/memory.ts";
import { withRecord } from "./src/block/record.ts";
import { withStore } from "./src/block/with_store.ts";
import { contentStoreCases } from "./tests/conformance/content_store.ts";
import { patternBytes } from "./tests/conformance/controlled_source.ts";

let made = 0;

function request(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function corrupt(name, offset) {
  const database = await request(indexedDB.open(name));
  const table = database.transaction("extents", "readwrite")
    .objectStore("extents");
  const keys = await request(table.getAllKeys());
  const key = keys.find((key) => key[1] === Math.floor(offset / 65536));
  const extent = await request(table.get(key));
  extent.bytes[offset % 65536] ^= 0x10;
  await request(table.put(extent, key));
  database.close();
}

async function makeStore(maxBytes) {
  const name = "test-" + ++made;
  const stores = [];
  const open = () => {
    const store = indexedDbStore({ name, maxBytes });
    stores.push(store);
    return store;
  };
  return {
    store: open(),
    again: open,
    corrupt: (_, offset) => corrupt(name, offset),
    close: async () => {
      for (const store of stores) await store.close();
      indexedDB.deleteDatabase(name);
    },
  };
}

globalThis.runCase = async (title) => {
  const under = await makeStore();
  try {
    await contentStoreCases[title](under, makeStore);
  } finally {
    await under.close();
  }
};

const bytes = patternBytes(1000 * 1000);
const key = { identity: "shared", name: "https://u:p@host.invalid/a?b", size: bytes.length };

/** Reads all through the store; gives how much the source was asked for. */
globalThis.readThrough = async (options = {}) => {
  const warnings = [];
  const store = indexedDbStore({
    name: "shared",
    onWarning: (error) => warnings.push(error.code),
    ...options,
  });
  const source = withRecord(openMemory(bytes, { identity: "shared" }));
  const reader = await withStore(source, store);
  const into = new Uint8Array(bytes.length);
  await reader.read(0, into);
  const right = into.every((byte, i) => byte === bytes[i]);
  await reader.close();
  await store.close();
  return { right, fetched: source.report.bytes, warnings };
};

/** Keeps it open until the page ends. */
globalThis.holdOpen = async () => {
  const store = indexedDbStore({ name: "shared" });
  globalThis.held = await store.open(key);
};

globalThis.prune = async (maxBytes) => {
  const store = indexedDbStore({ name: "shared" });
  const left = await store.prune(maxBytes);
  const list = await store.list();
  await store.close();
  return { left, list };
};

/** Keeps the same by two stores, each of which has seen none of it; gives how much is kept. */
globalThis.keepTwice = async () => {
  const stores = [1, 2].map(() => indexedDbStore({ name: "twice" }));
  const contents = await Promise.all(stores.map((store) => store.open(key)));
  for (const content of contents) await content.write(0, bytes);
  const [{ kept }] = await stores[0].list();
  for (const content of contents) await content.close();
  for (const store of stores) await store.close();
  return kept;
};

globalThis.persist = () => indexedDbStore().persist();

/** Chromium has no way to set the quota of a page that it keeps to: what it says is made up here. */
const { put } = IDBObjectStore.prototype;
globalThis.refuse = (yes) => {
  IDBObjectStore.prototype.put = function (...words) {
    if (yes && this.name === "extents") {
      throw new DOMException("no room", "QuotaExceededError");
    }
    return put.apply(this, words);
  };
};

/** As of a database that another page made close itself. */
const { getAll } = IDBObjectStore.prototype;
globalThis.failToLook = (yes) => {
  IDBObjectStore.prototype.getAll = function (...words) {
    if (yes && this.name === "contents") {
      throw new DOMException("it is closing", "InvalidStateError");
    }
    return getAll.apply(this, words);
  };
};

/** Writes until the page ends. */
globalThis.writeForEver = async () => {
  const large = patternBytes(16 << 20, 5);
  const store = indexedDbStore({ name: "killed" });
  const source = openMemory(large, { identity: "killed" });
  const reader = await withStore(source, store);
  const into = new Uint8Array(1 << 20);
  globalThis.begun = true;
  for (let offset = 0; offset < large.length; offset += into.length) {
    await reader.read(offset, into);
  }
};

globalThis.checkKilled = async () => {
  const large = patternBytes(16 << 20, 5);
  const store = indexedDbStore({ name: "killed" });
  const content = await store.open({ identity: "killed", name: "killed", size: large.length });
  const unit = content.extentSize;
  const into = new Uint8Array(unit);
  let kept = 0;
  for (let offset = 0; offset < large.length; offset += unit) {
    if (!content.has(offset, unit)) continue;
    if (!await content.read(offset, into)) throw new Error("lost " + offset);
    const wrong = into.findIndex((byte, i) => byte !== large[offset + i]);
    if (wrong >= 0) throw new Error("wrong " + (offset + wrong));
    kept += unit;
  }
  await content.close();
  await store.close();
  return kept;
};
`;

const options = needsBrowser();
let browser: TestBrowser;
let page: Page;

before(async () => {
  if (options.skip !== undefined) return;
  browser = await startBrowser(CODE);
  page = await browser.page();
});
after(() => browser?.close());

/** Calls a function of the page. */
async function call<T>(page: Page, name: string, value?: unknown): Promise<T> {
  const argument = value === undefined ? "" : JSON.stringify(value);
  return await page.evaluate(`globalThis.${name}(${argument})`) as T;
}

for (const title of Object.keys(contentStoreCases)) {
  test(`indexedDbStore() in Chromium ${title}`, options, async () => {
    await call(page, "runCase", title);
  });
}

interface ReadThrough {
  readonly right: boolean;
  readonly fetched: number;
  readonly warnings: readonly string[];
}

test(
  "indexedDbStore() keeps what another page reads, and after a reload",
  options,
  async () => {
    const first = await call<ReadThrough>(page, "readThrough");
    assert.deepEqual(first, { right: true, fetched: 1_000_000, warnings: [] });
    const other = await browser.page();
    const second = await call<ReadThrough>(other, "readThrough");
    assert.deepEqual(second, { right: true, fetched: 0, warnings: [] });
    await other.close();
  },
);

test(
  "indexedDbStore() removes nothing that another page has open",
  options,
  async () => {
    await call(page, "readThrough");
    const other = await browser.page();
    await call(other, "holdOpen");
    type Pruned = { left: number; list: { name: string; kept: number }[] };
    const held = await call<Pruned>(page, "prune", 0);
    assert.equal(held.left, 1_000_000);
    assert.equal(held.list[0]!.kept, 1_000_000);
    // the browser lets the lock of a page go that ends
    await other.close();
    const until = Date.now() + 5000;
    let left = held.left;
    while (left > 0 && Date.now() < until) {
      ({ left } = await call<Pruned>(page, "prune", 0));
    }
    assert.equal(left, 0);
  },
);

test(
  "indexedDbStore() counts what two pages keep once",
  options,
  async () => {
    assert.equal(await call(page, "keepTwice"), 1_000_000);
  },
);

test(
  "indexedDbStore() goes on without room, when there is none",
  options,
  async () => {
    await call(page, "prune", 0);
    await call(page, "refuse", true);
    const read = await call<ReadThrough>(page, "readThrough");
    assert.deepEqual(read, {
      right: true,
      fetched: 1_000_000,
      warnings: ["store.unusable"],
    });
    await call(page, "refuse", false);
    assert.equal((await call<ReadThrough>(page, "readThrough")).fetched, 1e6);
    assert.equal((await call<ReadThrough>(page, "readThrough")).fetched, 0);
  },
);

test(
  "indexedDbStore() goes on without, when it cannot see how much room there is",
  options,
  async () => {
    await call(page, "prune", 0);
    await call(page, "failToLook", true);
    const read = await call<ReadThrough>(page, "readThrough");
    await call(page, "failToLook", false);
    assert.deepEqual(read, {
      right: true,
      fetched: 1_000_000,
      warnings: ["store.unusable"],
    });
  },
);

test("indexedDbStore() asks the browser to keep it", options, async () => {
  assert.equal(typeof await call(page, "persist"), "boolean");
});

test(
  "indexedDbStore() has no wrong byte after pages that ended while they wrote",
  options,
  async () => {
    let kept = 0;
    for (let round = 0; round < 8; round++) {
      const other = await browser.page();
      await other.evaluate("void globalThis.writeForEver()");
      await other.waitForFunction("globalThis.begun");
      await other.waitForTimeout(20 + 40 * round);
      // at once, in the middle of what it does
      await other.close();
      kept = await call<number>(page, "checkKilled");
    }
    assert.ok(kept > 0);
  },
);
