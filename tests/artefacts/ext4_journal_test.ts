import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { openMemory } from "../../src/block/memory.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import { type Ext4FileSystem, openExt4 } from "../../src/format/ext4/open.ts";
import { ext4SmallImage } from "../support/ext4_images.ts";
import {
  debugfs,
  makeUnclean,
  runTool,
  type Unclean,
  type UncleanOptions,
} from "../../scripts/fixtures/ext4_unclean.ts";

/** Runs `use` with a folder that is removed afterwards. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ext4-journal-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const MAGIC = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);

/** Changes in two transactions, among them content that looks like a block of the journal. */
function makeSteps(folder: string): UncleanOptions["steps"] {
  const hello = join(folder, "hello");
  const escaped = join(folder, "escaped");
  const large = join(folder, "large");
  writeFileSync(hello, "hello\n");
  const bytes = new Uint8Array(10_000).fill(7);
  for (let at = 0; at < bytes.length; at += 1024) bytes.set(MAGIC, at);
  writeFileSync(escaped, bytes);
  writeFileSync(large, new Uint8Array(120_000).fill(9));
  return [
    { change: [`write ${hello} hello`, "mkdir folder"] },
    {
      change: [
        `write ${escaped} folder/escaped`,
        `write ${large} large`,
        "rm hello",
        "symlink link folder/escaped",
      ],
    },
    { change: ["mkdir late"], uncommitted: true },
  ];
}

const FORMS: readonly (readonly [
  string,
  readonly string[],
  2 | 3 | undefined,
])[] = [
  ["ext3", ["-t", "ext3", "-b", "1024", "-J", "size=1", "8M"], undefined],
  ["ext4", ["-t", "ext4", "-b", "1024", "-J", "size=1", "8M"], undefined],
  ["ext4 with sums of version 2", [
    "-t",
    "ext4",
    "-b",
    "1024",
    "-J",
    "size=1",
    "8M",
  ], 2],
  ["ext4 with sums of version 3", [
    "-t",
    "ext4",
    "-b",
    "1024",
    "-J",
    "size=1",
    "8M",
  ], 3],
  [
    "ext4 of 4 KiB blocks",
    ["-t", "ext4", "-b", "4096", "-J", "size=4", "16M"],
    3,
  ],
  ["ext4 without 64bit", [
    "-t",
    "ext4",
    "-O",
    "^64bit",
    "-b",
    "1024",
    "-J",
    "size=1",
    "8M",
  ], 3],
  ["ext4 without 64bit, version 2", [
    "-t",
    "ext4",
    "-O",
    "^64bit",
    "-b",
    "1024",
    "-J",
    "size=1",
    "8M",
  ], 2],
];

const SUPERBLOCK = 1024;

async function bytesOf(reader: BlockReader): Promise<Uint8Array<ArrayBuffer>> {
  return await readExactly(reader, 0, reader.size);
}

async function openPath(path: string): Promise<Ext4FileSystem> {
  return await openExt4(openMemory(readImage(path), { name: path }));
}

function readImage(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(path));
}

/** Names and sums of everything, as text. */
async function describe(files: Ext4FileSystem): Promise<string[]> {
  const lines: string[] = [];
  for await (const { path, inode } of files.walk()) {
    const { type, size, number, mtime } = inode;
    const content = type === "file"
      ? Array.from(
        new Uint8Array(
          await crypto.subtle.digest(
            "SHA-256",
            await bytesOf(files.source.open(inode)),
          ),
        ),
      ).join()
      : type === "symlink"
      ? await files.source.readLink(inode)
      : "";
    lines.push([path, number, type, size, mtime, content].join(" "));
  }
  return lines;
}

/** Compares with what e2fsck makes of a copy when it does nothing but replay. */
async function assertAsReplayed(
  { image }: Unclean,
  files: Ext4FileSystem,
  flawless = true,
): Promise<string> {
  const theirs = `${image}.replayed`;
  copyFileSync(image, theirs);
  runTool("e2fsck", "-y", "-E", "journal_only", theirs);
  const expected = readImage(theirs);
  const found = await bytesOf(files.source.recovered);
  const { blockSize } = files;
  const differing: number[] = [];
  for (let at = 0; at < expected.length; at += blockSize) {
    const [a, b] = [found, expected].map((all) =>
      all.slice(at, at + blockSize)
    );
    // e2fsck notes times and counts in both superblocks
    for (const part of [a!, b!]) {
      const from = Math.max(0, SUPERBLOCK - at);
      if (at <= SUPERBLOCK && from < blockSize) part.fill(0, from, from + 1024);
    }
    const isJournalSuperblock = MAGIC.every((byte, i) => a![i] === byte) &&
      a![7] === 4;
    if (isJournalSuperblock) continue;
    if (!a!.every((byte, i) => byte === b![i])) differing.push(at / blockSize);
  }
  assert.deepEqual(differing, []);
  const ours = `${image}.recovered`;
  writeFileSync(ours, found);
  assert.doesNotMatch(runTool("dumpe2fs", "-h", ours), /needs_recovery/);
  if (flawless) runTool("e2fsck", "-fn", ours);
  return theirs;
}

for (const [form, mkfs, sums] of FORMS) {
  test(`openExt4() replays the journal of an unclean ${form} as e2fsck does`, () =>
    inFolder(async (folder) => {
      const steps = makeSteps(folder);
      const made = makeUnclean({
        folder,
        name: "a",
        mkfs,
        steps,
        ...(sums === undefined ? {} : { sums }),
      });
      assert.match(runTool("dumpe2fs", "-h", made.image), /needs_recovery/);
      const files = await openPath(made.image);
      assert.equal(files.source.needsRecovery, true);
      assert.deepEqual(
        await describe(files),
        await describe(await openPath(made.after)),
      );
      assert.equal(await files.find("/hello"), undefined);
      assert.equal(await files.find("/late"), undefined);
      assert.equal((await files.stat("/link")).size, 10_000);
      await assertAsReplayed(made, files);
    }));
}

test("openExt4() replays a journal of Linux 6.12 as e2fsck does", () =>
  inFolder(async (folder) => {
    const image = join(folder, "kernel.img");
    writeFileSync(image, ext4SmallImage("kernel").bytes);
    const files = await openPath(image);
    // its counts of what is free are those of the last checkpoint, which a mount puts right
    const theirs = await assertAsReplayed(
      { image, after: image },
      files,
      false,
    );
    assert.deepEqual(
      await describe(files),
      await describe(await openPath(theirs)),
    );
  }));

test("openExt4() leaves out what a later transaction revoked", () =>
  inFolder(async (folder) => {
    const [first, second] = makeSteps(folder);
    const options = {
      folder,
      mkfs: FORMS[3]![1],
      sums: 3 as const,
    };
    const plain = makeUnclean({
      ...options,
      name: "a",
      steps: [first!, second!],
    });
    const place = /^(\d+)/m.exec(
      debugfs(plain.after, ["bmap /large 5"]).replace(/^debugfs.*\n/m, ""),
    );
    const block = Number(place?.[1]);
    assert.ok(block > 0);
    const made = makeUnclean({
      ...options,
      name: "b",
      steps: [first!, second!, { revoke: [block] }],
    });
    const files = await openPath(made.image);
    const content = await bytesOf(await files.open("/large"));
    const hole = content.subarray(5 * 1024, 6 * 1024);
    assert.ok(hole.every((byte) => byte === 0), "what was there before");
    assert.ok(content.subarray(6 * 1024).every((byte) => byte === 9));
    const replayed = `${made.image}.replayed`;
    copyFileSync(made.image, replayed);
    runTool("e2fsck", "-y", "-E", "journal_only", replayed);
    const theirs = await openPath(replayed);
    assert.deepEqual(content, await bytesOf(await theirs.open("/large")));
  }));

test("openExt4() reads the log in few reads", () =>
  inFolder(async (folder) => {
    const steps = makeSteps(folder);
    const mkfs = FORMS[4]![1];
    const { image } = makeUnclean({ folder, name: "a", mkfs, sums: 3, steps });
    const recorded = withRecord(openMemory(readImage(image)));
    await openExt4(recorded);
    assert.ok(
      recorded.report.requests <= 9,
      `${recorded.report.requests} reads`,
    );
  }));

test("openExt4() says by code what is wrong with a journal", () =>
  inFolder(async (folder) => {
    const steps = makeSteps(folder);
    const mkfs = FORMS[3]![1];
    const { image } = makeUnclean({ folder, name: "a", mkfs, sums: 3, steps });
    const good = readImage(image);
    const journal = Number(
      /^(\d+)/m.exec(
        debugfs(image, ["bmap <8> 0"]).replace(/^debugfs.*\n/m, ""),
      )![1],
    ) * 1024;
    const codes = new Map<string, number>();
    let same = 0;
    const expected = await describe(await openPath(image));
    for (let block = 0; block < 40; block++) {
      for (const at of [0, 7, 11, 12, 20, 40, 300, 1023]) {
        const bytes = good.slice();
        bytes[journal + block * 1024 + at]! ^= 0x10;
        try {
          const files = await openExt4(openMemory(bytes));
          if ((await describe(files)).join() === expected.join()) same++;
        } catch (error) {
          const { code } = error as { code: string };
          codes.set(code, (codes.get(code) ?? 0) + 1);
        }
      }
    }
    assert.ok(
      codes.get("ext4.journal-damaged")! > 50,
      JSON.stringify([...codes]),
    );
    assert.ok(same > 0);
    for (const code of codes.keys()) assert.match(code, /^ext4\./);
  }));
