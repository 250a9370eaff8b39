import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { runCli } from "../../../tests/support/run_cli.ts";
import { openDiskStore } from "../node/disk_store.ts";
import { parseCommand } from "./args.ts";
import { byteSize } from "./values.ts";

const folder = await fs.mkdtemp(join(tmpdir(), "fastboop-cache-"));
after(() => fs.rm(folder, { recursive: true }));

const cache = (args: string[], env: Record<string, string> = {}) =>
  runCli(["cache", ...args], {
    FASTBOOP_CACHE: folder,
    FASTBOOP_CACHE_MAX: "",
    ...env,
  });

/** Keeps the first `kept` bytes of content of 1 MiB. */
async function keep(name: string, kept: number) {
  const key = { identity: name, name, size: 1 << 20 };
  const content = await openDiskStore(folder).open(key);
  await content.write(0, new Uint8Array(kept).fill(7));
  return content;
}

test("fastboop cache path is where FASTBOOP_CACHE says", async () => {
  const { code, text, errors } = await cache(["path"]);
  assert.deepEqual({ code, text, errors }, {
    code: 0,
    text: `${folder}\n`,
    errors: "",
  });
});

test("fastboop cache lists what is kept, prunes it and clears it", async () => {
  const empty = await cache(["list"]);
  assert.deepEqual([empty.code, empty.text, empty.errors], [0, "", ""]);
  const secret = "https://user:word@host.invalid/old.img?token=abc";
  await (await keep(secret, 1 << 20)).close();
  await new Promise((resolve) => setTimeout(resolve, 30));
  await (await keep("half.img", 1 << 19)).close();
  const held = await keep("held.img", 1 << 16);

  const list = await cache(["list"]);
  const lines = list.text.trimEnd().split("\n").map((line) =>
    line.split(/ {2,}/)
  );
  assert.equal(lines.length, 3);
  assert.equal(lines[0]!.at(-1), "held.img");
  assert.equal(lines[0]!.at(-2), "in use");
  assert.match(lines[1]![0]!, /^5\d\d\.\d KiB of 1\.0 MiB$/);
  assert.match(lines[1]![1]!, /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  assert.equal(lines[2]!.at(-1), "https://host.invalid/old.img");
  assert.match(lines[2]![0]!, /^1\.0 MiB$/);

  const json = JSON.parse((await cache(["list", "--json"])).text);
  assert.equal(json.folder, folder);
  assert.equal(json.entries.length, 3);
  const { name, size, kept, inUse, bytes } = json.entries[1];
  assert.deepEqual([name, size, kept, inUse], [
    "half.img",
    1 << 20,
    1 << 19,
    false,
  ]);
  assert.ok(bytes >= 1 << 19 && bytes < (1 << 19) + 65536, `${bytes}`);

  const pruned = await cache(["prune", "--max", "800K"]);
  assert.match(pruned.text, /^Removed 1 entry, 1\.0 MiB; 5\d\d\.\d KiB are/);
  const after = JSON.parse((await cache(["list", "--json"])).text);
  assert.deepEqual(
    after.entries.map(({ name }: { name: string }) => name),
    ["held.img", "half.img"],
  );

  const cleared = await cache(["clear"]);
  assert.equal(cleared.code, 0);
  assert.match(cleared.text, /^Removed 1 entry, /);
  assert.match(cleared.errors, /are in use by programs that run, and stay/);
  await held.close();
  const rest = await cache(["clear"]);
  assert.match(rest.text, /^Removed 1 entry, .*; 0 bytes are left\n$/);
  assert.equal(rest.errors, "");
});

test("fastboop cache prune keeps to the user's own limit", async () => {
  await (await keep("one.img", 1 << 19)).close();
  const { text } = await cache(["prune"], { FASTBOOP_CACHE_MAX: "100K" });
  assert.match(text, /^Removed 1 entry/);
  const wrong = await cache(["prune"], { FASTBOOP_CACHE_MAX: "much" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.errors, /Cannot use FASTBOOP_CACHE_MAX "much", expected/);
});

test("fastboop cache is parsed", () => {
  assert.deepEqual(parseCommand(["cache", "prune", "--max", "1.5G"]), {
    kind: "cache",
    action: "prune",
    maxBytes: 1.5 * 2 ** 30,
  });
  assert.deepEqual(parseCommand(["cache", "list"]), {
    kind: "cache",
    action: "list",
    json: false,
  });
  assert.throws(() => parseCommand(["cache"]), /expected list, prune, clear/);
  assert.throws(() => parseCommand(["cache", "prune", "--max", "x"]), /10G/);
});

test("byteSize() reads sizes as people type them", () => {
  const sizes: [string, number][] = [
    ["0", 0],
    ["512", 512],
    ["1k", 1024],
    ["10M", 10 << 20],
    ["2GiB", 2 ** 31],
    ["0.5TB", 2 ** 39],
  ];
  for (const [text, size] of sizes) assert.equal(byteSize(text, "-"), size);
  for (const text of ["", "M", "-1", "1e3", "1P", "99999999T"]) {
    assert.throws(() => byteSize(text, "--max"), /expected a size/);
  }
});
