import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { chooseKernel } from "../../src/boot/kernel_files.ts";
import { compareVersions } from "../../src/bytes/version.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { encodeKernel } from "../../src/format/kernel/encode.ts";
import { unwrapKernel } from "../../src/format/kernel/unwrap.ts";
import { storedSize } from "../support/boot_files.ts";
import { madeZboot } from "../support/made_kernel.ts";

const IMAGE = findFixture("debian-arm64.erofs-lz4hc");
const ROOT = findFixture("debian-arm64.root");
const skip = IMAGE === undefined || ROOT === undefined
  ? "missing: run deno task fixtures debian-arm64.erofs-lz4hc"
  : false;

const release = () => readdirSync(join(ROOT!, "usr/lib/modules"))[0]!;
const original = () =>
  new Uint8Array(readFileSync(join(ROOT!, "boot", `vmlinuz-${release()}`)));

/** What a program makes of its input. */
async function pipe(
  argv: readonly string[],
  input: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = spawn(argv[0]!, argv.slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  child.stdin.end(input);
  const parts: Uint8Array[] = [];
  for await (const part of child.stdout) parts.push(part);
  assert.equal(await closed, 0, argv.join(" "));
  return new Uint8Array(Buffer.concat(parts));
}

function missing(program: string): string | false {
  return spawnSync(program, ["--version"]).status === 0
    ? false
    : `missing: install ${program}`;
}

test(
  "chooseKernel() finds Debian's kernel and reads it once",
  { skip },
  async () => {
    const file = await openFile(IMAGE!);
    try {
      const record = withRecord(file);
      const kernel = await chooseKernel(
        await openErofs(withReadAhead(record)),
      );
      assert.equal(kernel.path, `/boot/vmlinuz-${release()}`);
      assert.equal(kernel.release, release());
      assert.equal(kernel.modules, `/usr/lib/modules/${release()}`);
      assert.ok(Buffer.from(kernel.kernel.image).equals(original()));
      const { bytes, requests } = record.report;
      console.log(`read ${bytes} bytes in ${requests} requests`);
      const stored = storedSize(IMAGE!, kernel.path);
      assert.ok(bytes <= stored * 1.1 + (256 << 10), `${bytes} for ${stored}`);
    } finally {
      await file.close();
    }
  },
);

for (
  const [encoding, check, unpack, kind] of [
    ["image.gz", ["gzip", "-t"], ["gzip", "-dc"], /^gzip compressed data/],
    ["image.lz4", ["lz4", "-t"], ["lz4", "-dc"], /^LZ4 compressed data/],
    ["image.zst", ["zstd", "-qt"], ["zstd", "-qdc"], /^Zstandard compressed/],
  ] as const
) {
  test(`encodeKernel() gives ${encoding} as ${check[0]} takes it`, {
    skip: skip || missing(check[0]) || missing("file"),
  }, async () => {
    const image = original();
    const packed = await encodeKernel(await unwrapKernel(image), encoding);
    await pipe(check, packed);
    const named = await pipe(["file", "--brief", "-"], packed.slice(0, 65536));
    assert.match(new TextDecoder().decode(named), kind);
    assert.ok(Buffer.from(await pipe(unpack, packed)).equals(image));
    assert.ok(
      Buffer.from((await unwrapKernel(packed)).image).equals(image),
    );
  });
}

// As Linux compresses what it puts into zboot images, but for levels that take a minute.
for (
  const [type, argv] of [
    ["gzip", ["gzip", "-n", "-6"]],
    ["lz4", ["lz4", "-l", "-c1"]],
    ["lzma", ["xz", "--format=lzma", "-0"]],
    ["xzkern", [
      "xz",
      "--check=crc32",
      "--arm64",
      "--lzma2=preset=0,dict=128MiB",
    ]],
    ["zstd22", ["zstd", "-q", "-1", "--ultra", "--long=27"]],
  ] as const
) {
  test(`unwrapKernel() takes Debian's kernel out of zboot with ${type}`, {
    skip: skip || missing(argv[0]),
  }, async () => {
    const image = original();
    const payload = await pipe(argv, image);
    const kernel = await unwrapKernel(madeZboot(type, payload));
    assert.ok(Buffer.from(kernel.image).equals(image));
    if (type === "gzip") {
      assert.deepEqual(await encodeKernel(kernel, "image.gz"), payload);
    }
  });
}

test("compareVersions() agrees with systemd-analyze", {
  skip: missing("systemd-analyze"),
}, () => {
  const versions = [
    "",
    "~",
    "6.9",
    "6.10~rc1",
    "6.10-rc1",
    "6.10.0-5+b1",
    "6.10^20240101",
    "6.10.a",
    "6.10a",
    "6.010.1",
    "6.12.107+deb13-arm64",
    "6.12.48+deb13-arm64-16k",
    "postmarketos-qcom",
    "Image",
    "1_2_3",
  ];
  for (const a of versions) {
    for (const b of versions) {
      const { status } = spawnSync("systemd-analyze", [
        "compare-versions",
        a,
        b,
      ]);
      const expected = { 0: 0, 11: 1, 12: -1 }[status!];
      assert.equal(
        Math.sign(compareVersions(a, b)) || 0,
        expected,
        `${a} and ${b}`,
      );
    }
  }
});
