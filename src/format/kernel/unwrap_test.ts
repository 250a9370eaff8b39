import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import {
  MADE_RELEASE,
  madeBzImage,
  madeImage,
  madeZboot,
  section,
} from "../../../tests/support/made_kernel.ts";
import { isCoded } from "../../errors.ts";
import { gzip } from "../../wasm/codecs.ts";
import { appendDtb } from "./dtb.ts";
import { identifyKernel } from "./identify.ts";
import { kernelRelease } from "./release.ts";
import { unwrapKernel } from "./unwrap.ts";

const FOLDER = new URL("../../../tests/fixtures/kernel/", import.meta.url);
const image = madeImage();

/** The image as another program compressed it. */
function compressed(suffix: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`Image.${suffix}`, FOLDER)));
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The word that Linux appends to what has no size of its own (`size_append`). */
function sizeWord(): Uint8Array {
  const word = new Uint8Array(4);
  new DataView(word.buffer).setUint32(0, image.length, true);
  return word;
}

function madeDtb(size: number): Uint8Array<ArrayBuffer> {
  const dtb = new Uint8Array(size);
  const view = new DataView(dtb.buffer);
  view.setUint32(0, 0xd00dfeed);
  view.setUint32(4, size);
  return dtb;
}

const FORMATS = {
  gz: "gzip",
  lz4: "lz4",
  "lz4-legacy": "lz4-legacy",
  lzma: "lzma",
  xz: "xz",
  zst: "zstd",
} as const;

for (const [suffix, format] of Object.entries(FORMATS)) {
  test(`unwrapKernel() unpacks what another program compressed as ${format}`, async () => {
    const bytes = compressed(suffix);
    assert.equal(identifyKernel(bytes), format);
    const kernel = await unwrapKernel(bytes);
    assert.deepEqual(kernel.layers, [format]);
    assert.deepEqual(kernel.image, image);
    assert.equal(kernel.passthrough === undefined, format !== "gzip");
    assert.equal(kernelRelease(kernel)?.release, MADE_RELEASE);
  });
}

test("unwrapKernel() leaves an arm64 Image as it is", async () => {
  assert.equal(identifyKernel(image), "arm64");
  const kernel = await unwrapKernel(image, { name: "/boot/Image" });
  assert.equal(kernel.image, image);
  assert.deepEqual(kernel.layers, []);
  assert.equal(kernel.name, "/boot/Image");
  assert.deepEqual(kernelRelease(kernel), {
    release: MADE_RELEASE,
    method: "banner",
  });
});

for (
  const [type, suffix] of [
    ["gzip", "gz"],
    ["lz4", "lz4-legacy"],
    ["lzma", "lzma"],
    ["xzkern", "xz"],
    ["zstd22", "zst"],
  ] as const
) {
  test(`unwrapKernel() takes an EFI zboot payload of ${type} out`, async () => {
    const payload = compressed(suffix);
    const zboot = madeZboot(type, payload);
    assert.equal(identifyKernel(zboot), "zboot");
    const kernel = await unwrapKernel(zboot);
    assert.deepEqual(kernel.layers, ["zboot", FORMATS[suffix]]);
    assert.deepEqual(kernel.image, image);
    assert.deepEqual(
      kernel.passthrough,
      type === "gzip" ? payload : undefined,
    );
  });
}

test("unwrapKernel() leaves the word with the size after lz4 and lzma alone", async () => {
  for (const suffix of ["lz4-legacy", "lzma"]) {
    const kernel = await unwrapKernel(join(compressed(suffix), sizeWord()));
    assert.deepEqual(kernel.image, image, suffix);
  }
});

test("unwrapKernel() takes the kernel of a unified kernel image out", async () => {
  const uki = new Uint8Array(8192 + compressed("zst").length);
  const view = new DataView(uki.buffer);
  uki.set(new TextEncoder().encode("MZ"));
  view.setUint32(0x3c, 0x80, true);
  uki.set(new TextEncoder().encode("PE\0\0"), 0x80);
  view.setUint16(0x86, 2, true);
  section(view, 0x98, ".osrel", 4096, 100);
  section(view, 0xc0, ".linux", 8192, compressed("zst").length);
  uki.set(compressed("zst"), 8192);
  const kernel = await unwrapKernel(uki);
  assert.deepEqual(kernel.layers, ["uki", "zstd"]);
  assert.deepEqual(kernel.image, image);
  await assert.rejects(unwrapKernel(uki.subarray(0, 9000)), {
    code: "kernel.truncated",
  });
});

test("unwrapKernel() leaves device trees after compressed data alone", async () => {
  for (const suffix of ["gz", "zst", "xz"] as const) {
    const kernel = await unwrapKernel(
      join(compressed(suffix), madeDtb(1000), madeDtb(48)),
    );
    assert.deepEqual(kernel.layers, [FORMATS[suffix], "dtb"]);
    assert.deepEqual(kernel.image, image);
    if (suffix === "gz") {
      assert.deepEqual(kernel.passthrough, compressed("gz"));
    }
  }
});

test("unwrapKernel() hands no gzip data on that something else follows", async () => {
  const padded = join(compressed("gz"), madeDtb(1000), new Uint8Array(100));
  const kernel = await unwrapKernel(padded);
  assert.deepEqual(kernel.image, image);
  assert.equal(kernel.passthrough, undefined);
});

test("unwrapKernel() reads the release of a bzImage through its header", async () => {
  const kernel = await unwrapKernel(madeBzImage(1600));
  assert.equal(kernel.format, "bzimage");
  assert.deepEqual(kernelRelease(kernel), {
    release: "6.99.0-made-amd64",
    method: "setup-header",
  });
});

test("kernelRelease() gives nothing where nothing is said", async () => {
  const silent = madeImage().fill(0x41, 0x3000);
  assert.equal(kernelRelease(await unwrapKernel(silent)), undefined);
  const header = madeBzImage(1600);
  header.fill(0, 0x20e, 0x210);
  assert.equal(kernelRelease(await unwrapKernel(header)), undefined);
});

test("unwrapKernel() unpacks 4 layers and refuses a fifth by name", async () => {
  let bytes: Uint8Array<ArrayBuffer> = image;
  for (let i = 0; i < 4; i++) bytes = await gzip(bytes);
  const kernel = await unwrapKernel(bytes);
  assert.deepEqual(kernel.image, image);
  assert.equal(kernel.layers.length, 4);
  await assert.rejects(unwrapKernel(await gzip(bytes)), {
    code: "kernel.too-deep",
    message:
      'Cannot unwrap kernel "kernel": found more than 4 layers (gzip, gzip, gzip, gzip, gzip), expected at most 4',
  });
});

test("unwrapKernel() refuses an unknown format with its first bytes", async () => {
  const text = new TextEncoder().encode("#!/bin/sh\n");
  await assert.rejects(unwrapKernel(text, { name: "/boot/vmlinuz" }), {
    code: "kernel.unknown-format",
    message:
      'Cannot unwrap kernel "/boot/vmlinuz": found bytes 23 21 2f 62 69 6e 2f 73 at the start, expected an arm64 Image, an x86 bzImage, EFI zboot, or one of them compressed',
  });
  await assert.rejects(unwrapKernel(await gzip(text)), {
    code: "kernel.unknown-format",
    message: /at the start of what gzip holds, expected/,
  });
  await assert.rejects(unwrapKernel(new Uint8Array(0)), {
    code: "kernel.unknown-format",
    message: /found nothing, expected/,
  });
});

test("unwrapKernel() refuses a zboot image cut short with both sizes", async () => {
  const payload = compressed("zst");
  const zboot = madeZboot("zstd22", payload);
  await assert.rejects(unwrapKernel(zboot.subarray(0, 5000)), {
    code: "kernel.truncated",
    message:
      `Cannot unwrap kernel "kernel": found 5000 bytes, expected at least ${
        4096 + payload.length
      } as its header states; it may be cut short`,
  });
  await assert.rejects(unwrapKernel(zboot.subarray(0, 40)), {
    code: "kernel.truncated",
  });
});

test("unwrapKernel() refuses a zboot payload of another compression by name", async () => {
  await assert.rejects(unwrapKernel(madeZboot("lzo", compressed("gz"))), {
    code: "kernel.unsupported-compression",
    message:
      'Cannot unwrap kernel "kernel": its EFI zboot payload is compressed as "lzo", expected one of gzip, lz4, lzma, xz, xzkern, zstd, zstd22',
  });
  await assert.rejects(unwrapKernel(madeZboot("gzip", compressed("xz"))), {
    code: "kernel.damaged",
  });
});

test("unwrapKernel() refuses more than the limit, whatever it is compressed as", async () => {
  const maxSize = image.length - 1;
  for (const suffix of Object.keys(FORMATS)) {
    await assert.rejects(unwrapKernel(compressed(suffix), { maxSize }), {
      code: "kernel.too-large",
      message:
        `Cannot unwrap kernel "kernel": it holds more than ${maxSize} bytes, expected at most as many`,
    }, suffix);
    const exact = { maxSize: image.length };
    assert.ok(await unwrapKernel(compressed(suffix), exact), suffix);
  }
  await assert.rejects(unwrapKernel(image, { maxSize }), {
    code: "kernel.too-large",
  });
});

test("unwrapKernel() refuses images that their headers state to be longer", async () => {
  await assert.rejects(unwrapKernel(image.slice(0, image.length - 600)), {
    code: "kernel.truncated",
  });
  await assert.rejects(unwrapKernel(madeBzImage(1600).subarray(0, 2000)), {
    code: "kernel.truncated",
    message: /found 2000 bytes, expected at least 2624/,
  });
});

test("unwrapKernel() refuses compressed data cut short anywhere", async () => {
  for (const suffix of Object.keys(FORMATS)) {
    const bytes = compressed(suffix);
    for (let size = 16; size < bytes.length; size += 211) {
      await assert.rejects(
        unwrapKernel(bytes.subarray(0, size)),
        (error) => isCoded(error, "kernel.truncated", "kernel.damaged"),
        `${suffix} of ${size} bytes`,
      );
    }
  }
});

test("unwrapKernel() gives a kernel or a coded error for damaged input", async () => {
  const seeds = [
    ...Object.keys(FORMATS).map(compressed),
    madeZboot("lzma", compressed("lzma")),
    madeZboot("lz4", compressed("lz4-legacy")),
  ];
  const where = fc.double({ min: 0, max: 1, noNaN: true });
  const flips = fc.array(fc.tuple(where, fc.nat({ max: 7 })), {
    minLength: 1,
    maxLength: 3,
  });
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: seeds.length - 1 }),
      flips,
      async (seed, flips) => {
        const bytes = seeds[seed]!.slice();
        for (const [where, bit] of flips) {
          bytes[Math.floor(where * (bytes.length - 1))]! ^= 1 << bit;
        }
        try {
          await unwrapKernel(bytes, { maxSize: 1 << 20 });
          accepted++;
        } catch (error) {
          assert.ok(isCoded(error), String(error));
          assert.match(error.code, /^kernel\./);
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(accepted < 200, `${accepted} accepted`);
});

test("appendDtb() puts a device tree right behind the kernel", () => {
  const kernel = Uint8Array.of(1, 2, 3);
  const dtb = madeDtb(40);
  assert.deepEqual(appendDtb(kernel, dtb), join(kernel, dtb));
});

test("appendDtb() refuses what is not one device tree", () => {
  const kernel = new Uint8Array(3);
  for (
    const [dtb, found] of [
      [new Uint8Array(10), "10 bytes"],
      [new Uint8Array(40), "magic 0x00000000"],
      [
        join(madeDtb(40), new Uint8Array(4)),
        "44 bytes with a header that states 40",
      ],
    ] as const
  ) {
    assert.throws(() => appendDtb(kernel, dtb), {
      code: "kernel.not-a-dtb",
      message:
        `Cannot append device tree to kernel: found ${found}, expected one flattened device tree`,
    });
  }
});
