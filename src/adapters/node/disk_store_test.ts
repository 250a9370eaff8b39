import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { after } from "node:test";
import { patternBytes } from "../../../tests/conformance/controlled_source.ts";
import { openMemory } from "../../block/memory.ts";
import { withRecord } from "../../block/record.ts";
import { withStore } from "../../block/with_store.ts";
import { isCoded, type ReadError } from "../../errors.ts";
import { openDiskStore } from "./disk_store.ts";
import { isUsed } from "./disk_store_use.ts";

const UNIT = 16 << 10;
const BYTES = patternBytes(20 * UNIT + 100);
const KEY = { identity: "disk:1", name: "disk", size: BYTES.length };

const root = await fs.mkdtemp(join(tmpdir(), "disk-store-"));
after(() => fs.rm(root, { recursive: true }));
let made = 0;
const newFolder = () => join(root, `store-${++made}`);

/** A folder in which `BYTES` are kept, and the files in it. */
async function keptFolder() {
  const folder = newFolder();
  const store = openDiskStore(folder);
  const content = await store.open(KEY);
  await content.write(0, BYTES);
  await content.close();
  const [entry] = await store.list();
  const names = await fs.readdir(entry!.path);
  const data = names.find((name) => name.startsWith("data-"))!;
  return {
    folder,
    path: entry!.path,
    map: join(entry!.path, "map"),
    data: join(entry!.path, data),
  };
}

/** Reads all, from the store where it can; gives what had to be fetched. */
async function readAll(folder: string): Promise<number> {
  const source = withRecord(
    openMemory(BYTES, { identity: KEY.identity, name: KEY.name }),
  );
  const reader = await withStore(source, openDiskStore(folder));
  const into = new Uint8Array(BYTES.length);
  assert.equal(await reader.read(0, into), BYTES.length);
  assert.deepEqual(into, BYTES);
  await reader.close();
  return source.report.bytes;
}

test("openDiskStore() leaves the bytes as a file, and nothing in use behind", async () => {
  const { path, data } = await keptFolder();
  assert.deepEqual(new Uint8Array(await fs.readFile(data)), BYTES);
  assert.equal((await fs.readdir(path)).length, 2);
  assert.equal((await fs.stat(path)).mode & 0o777, 0o700);
  assert.equal((await fs.stat(data)).mode & 0o777, 0o600);
});

test("openDiskStore() sees what others keep while it has the entry open", async () => {
  const folder = newFolder();
  const flushMs = 1;
  const one = await openDiskStore(folder, { flushMs }).open(KEY);
  const other = await openDiskStore(folder, { flushMs }).open(KEY);
  await one.write(0, BYTES.subarray(0, 5 * UNIT));
  await other.write(10 * UNIT, BYTES.subarray(10 * UNIT));
  const until = performance.now() + 5000;
  while (!other.has(0, 5 * UNIT) || !one.has(10 * UNIT, 5 * UNIT)) {
    assert.ok(performance.now() < until, "nothing was seen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const into = new Uint8Array(5 * UNIT);
  assert.ok(await other.read(0, into));
  assert.deepEqual(into, BYTES.slice(0, 5 * UNIT));
  await one.close();
  await other.close();
  assert.equal(await readAll(folder), 5 * UNIT);
});

test("openDiskStore() goes on when its entry is taken away", async () => {
  const folder = newFolder();
  const one = await openDiskStore(folder).open(KEY);
  await one.write(0, BYTES);
  await fs.rm(folder, { recursive: true });
  const into = new Uint8Array(BYTES.length);
  assert.ok(await one.read(0, into));
  assert.deepEqual(into, BYTES);
  await one.close();
  assert.equal(await readAll(folder), BYTES.length);
  assert.equal(await readAll(folder), 0);
});

test("openDiskStore() never gives a wrong byte, whatever byte of the map is", async () => {
  const { map } = await keptFolder();
  const { length } = await fs.readFile(map);
  let fetched = 0;
  for (let at = 0; at < length; at += at < 128 ? 5 : 23) {
    const { folder, map } = await keptFolder();
    const bytes = await fs.readFile(map);
    bytes[at]! ^= 1 << (at % 8);
    await fs.writeFile(map, bytes);
    fetched += await readAll(folder);
    // healed
    assert.equal(await readAll(folder), 0);
  }
  assert.ok(fetched > 0);
});

test("openDiskStore() takes a map that is cut short for as much as it says", async () => {
  for (const cut of [0, 1, 100, 2047, 2048, 2049, 2048 + 16 * 7 + 3]) {
    const { folder, map } = await keptFolder();
    await fs.truncate(map, cut);
    const kept = Math.max(0, Math.floor((cut - 2048) / 16));
    assert.equal(await readAll(folder), BYTES.length - kept * UNIT);
    // what was appended behind a torn record is found
    assert.equal(await readAll(folder), 0);
  }
});

test("openDiskStore() fetches again what the file of bytes has lost", async () => {
  const { folder, data } = await keptFolder();
  await fs.truncate(data, 7 * UNIT + 5);
  assert.equal(await readAll(folder), BYTES.length - 7 * UNIT);
  assert.equal(await readAll(folder), 0);
  await fs.rm(data);
  assert.equal(await readAll(folder), BYTES.length);
});

test("openDiskStore() does not believe the map of another entry or version", async () => {
  const one = await keptFolder();
  const other = await keptFolder();
  // same identity, other entry: the seals of its records do not fit
  await fs.copyFile(other.map, one.map);
  assert.equal(await readAll(one.folder), BYTES.length);
  const { folder, map } = await keptFolder();
  const bytes = await fs.readFile(map);
  bytes[8] = 9;
  await fs.writeFile(map, bytes);
  assert.equal((await openDiskStore(folder).list())[0]!.name, "");
  assert.equal(await readAll(folder), BYTES.length);
  assert.equal(await readAll(folder), 0);
});

test("openDiskStore() has nothing of what was given up where a folder in use stays", async () => {
  const { folder, path } = await keptFolder();
  const { rename } = fs;
  const mutable = fs as { rename: typeof rename };
  // as on Windows, while somebody has a file in it open
  mutable.rename = (from, to) =>
    String(to).includes("old-")
      ? Promise.reject(Object.assign(new Error("denied"), { code: "EPERM" }))
      : rename(from, to);
  try {
    const content = await openDiskStore(folder).open(KEY);
    assert.ok(content.has(0, BYTES.length));
    await content.drop();
    await content.close();
  } finally {
    mutable.rename = rename;
  }
  assert.equal((await openDiskStore(folder).list())[0]?.path, path);
  assert.equal(await readAll(folder), BYTES.length);
  assert.equal(await readAll(folder), 0);
});

test("openDiskStore() goes on without a folder, and says so once", async () => {
  const file = join(root, "file");
  await fs.writeFile(file, "");
  const warnings: ReadError[] = [];
  const store = openDiskStore(join(file, "below"), {
    onWarning: (error) => warnings.push(error),
  });
  for (let i = 0; i < 3; i++) {
    await assert.rejects(
      store.open(KEY),
      (error) => isCoded(error, "store.unusable"),
    );
  }
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!.message,
    /^Cannot keep "disk" in cache ".*below": ENOTDIR; set FASTBOOP_CACHE to/,
  );
  const reader = await withStore(openMemory(BYTES), store);
  const into = new Uint8Array(100);
  assert.equal(await reader.read(50, into), 100);
  assert.deepEqual(into, BYTES.slice(50, 150));
  assert.deepEqual(await store.list(), []);
});

test("openDiskStore() says once that there is no room", async () => {
  const warnings: ReadError[] = [];
  const store = openDiskStore(newFolder(), {
    maxBytes: 5 * UNIT,
    onWarning: (error) => warnings.push(error),
  });
  const content = await store.open(KEY);
  for (let at = 0; at < BYTES.length; at += UNIT) {
    await content.write(at, BYTES.subarray(at, at + UNIT));
  }
  assert.ok(content.has(0, UNIT));
  assert.ok(!content.has(15 * UNIT, UNIT));
  assert.deepEqual(warnings.map(({ code }) => code), ["store.no-room"]);
  await content.close();
});

test("prune() removes what was used longest ago, and leftovers of the dead", async () => {
  const folder = newFolder();
  const store = openDiskStore(folder);
  for (const name of ["first", "second", "third"]) {
    const key = { identity: name, name, size: BYTES.length };
    const content = await store.open(key);
    await content.write(0, BYTES);
    await content.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const again = await store.open({
    identity: "first",
    name: "first",
    size: BYTES.length,
  });
  await again.close();
  const old = join(folder, "v1", "old-12ab");
  const young = join(folder, "v1", "new-12ab");
  const stale = join(folder, "v1", "new-34cd");
  for (const path of [old, young, stale]) await fs.mkdir(path);
  const yesterday = new Date(Date.now() - 86400_000);
  await fs.utimes(stale, yesterday, yesterday);
  const { bytes } = (await store.list())[0]!;
  const { entries, left } = await store.prune(2.5 * bytes);
  assert.equal(entries, 1);
  assert.ok(left > 0 && left <= 2.5 * bytes);
  const names = (await store.list()).map(({ name }) => name);
  assert.deepEqual(names, ["first", "third"]);
  const there = await fs.readdir(join(folder, "v1"));
  assert.ok(there.includes("new-12ab"));
  assert.ok(!there.includes("old-12ab") && !there.includes("new-34cd"));
});

test("prune() leaves what living programs use", async () => {
  const { folder, path } = await keptFolder();
  const store = openDiskStore(folder);
  const use = async (pid: number, host = hostname(), time = new Date()) => {
    const file = join(path, `use-${pid}-00ff`);
    await fs.writeFile(file, host);
    await fs.utimes(file, time, time);
    return await isUsed(path);
  };
  assert.equal(await isUsed(path), false);
  assert.equal(await use(2 ** 22 + 1), false);
  assert.equal(await use(2 ** 22 + 1, "elsewhere"), true);
  assert.equal((await store.prune(0)).entries, 0);
  const longAgo = new Date(Date.now() - 2 * 86400_000);
  assert.equal(await use(2 ** 22 + 1, "elsewhere", longAgo), false);
  assert.equal(await use(process.pid), true);
  assert.equal((await store.prune(0)).entries, 0);
  // its number was that of another program before the machine was started
  assert.equal(await use(process.pid, hostname(), new Date(0)), false);
  assert.equal((await store.prune(0)).entries, 1);
});
