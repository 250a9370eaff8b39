import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { type CpioEntry, packCpio } from "./codecs.ts";

const data = (text: string) => new TextEncoder().encode(text);

const ENTRIES: readonly CpioEntry[] = [
  { path: "dev", type: "dir" },
  { path: "dev/console", type: "char", major: 5, minor: 1 },
  { path: "dev/ublkb0", type: "block", major: 259, minor: 300000, mode: 0o660 },
  { path: "init", type: "file", mode: 0o755, data: data("#!/bin/sh\n") },
  { path: "empty", type: "file", data: data("") },
  { path: "bin", type: "symlink", target: "usr/bin" },
  { path: "grüße", type: "file", data: data("x"), uid: 1000, gid: 7, mtime: 9 },
];

const missing = spawnSync("cpio", ["--version"]).error === undefined
  ? false
  : "cpio is not installed";

test("packCpio() writes an archive that cpio lists as it was packed", {
  skip: missing,
}, async () => {
  const archive = await packCpio(ENTRIES);
  const env = { LC_ALL: "C.UTF-8", TZ: "UTC", PATH: "/usr/bin:/bin" };
  const list = execFileSync("cpio", ["-tvn", "--quiet"], {
    input: archive,
    env,
  }).toString().trim().split("\n").map((line) => line.replace(/ +/g, " "));
  assert.deepEqual(list, [
    "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
    "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console",
    "brw-rw---- 1 0 0 259, 300000 Jan 1 1970 dev/ublkb0",
    "-rwxr-xr-x 1 0 0 10 Jan 1 1970 init",
    "-rw-r--r-- 1 0 0 0 Jan 1 1970 empty",
    "lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin -> usr/bin",
    "-rw-r--r-- 1 1000 7 1 Jan 1 1970 grüße",
  ]);
});

test(
  "packCpio() writes files that cpio unpacks",
  { skip: missing },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "fastboop-cpio-"));
    try {
      const entries = ENTRIES.filter(({ type }) => !/char|block/.test(type));
      execFileSync("cpio", ["-i", "--quiet", "--no-preserve-owner"], {
        cwd: folder,
        input: await packCpio(entries),
      });
      assert.equal(readFileSync(join(folder, "init"), "utf8"), "#!/bin/sh\n");
      assert.equal(lstatSync(join(folder, "init")).mode & 0o777, 0o755);
      assert.equal(readFileSync(join(folder, "grüße"), "utf8"), "x");
      assert.equal(readlinkSync(join(folder, "bin")), "usr/bin");
      assert.ok(lstatSync(join(folder, "dev")).isDirectory());
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test("packCpio() writes the header of the specification", async () => {
  const archive = await packCpio(
    [{ path: "a", type: "file", data: data("hi"), mode: 0o600 }],
    { padTo: 4 },
  );
  const text = new TextDecoder().decode(archive);
  const head = (fields: string) => `070701${fields.replaceAll(" ", "")}`;
  assert.equal(
    text,
    head(
      "00000001 00008180 00000000 00000000 00000001 00000000 00000002 " +
        "00000000 00000000 00000000 00000000 00000002 00000000",
    ) + "a\0" + "hi\0\0" +
      head(
        "00000000 00000000 00000000 00000000 00000001 00000000 00000000 " +
          "00000000 00000000 00000000 00000000 0000000B 00000000",
      ) + "TRAILER!!!\0" + "\0\0\0",
  );
  assert.equal((await packCpio([])).length, 512);
});

test("packCpio() refuses what a header cannot hold", async () => {
  const bad: CpioEntry[] = [
    { path: "", type: "dir" },
    { path: "a\0b", type: "dir" },
    { path: "x".repeat(4096), type: "dir" },
    { path: "TRAILER!!!", type: "dir" },
    { path: "a", type: "dir", mode: 0o10000 },
    { path: "a", type: "dir", uid: 2 ** 32 },
    { path: "a", type: "dir", gid: -1 },
    { path: "a", type: "dir", mtime: 0.5 },
    { path: "a", type: "symlink", target: "" },
    { path: "a", type: "char", major: 4096, minor: 0 },
  ];
  for (const entry of bad) await assert.rejects(packCpio([entry]), RangeError);
  await assert.rejects(packCpio([], { padTo: 3 }), RangeError);
});
