import assert from "node:assert/strict";
import { test } from "node:test";
import { buildBootImage } from "../format/bootimg/build.ts";
import { ARM64_IMAGE_MAGIC, Arm64Header } from "../format/kernel/identify.ts";
import { gzip, lz4LegacyEncode, zstdEncode } from "../wasm/codecs.ts";
import { BootRefusal, loadBootImage } from "./bootloader.ts";

const PHONE = { machine: "aarch64", memoryMiB: 64 } as const;
const RAMDISK = new Uint8Array(5000).fill(7);

/** Looks like an arm64 Image from its header. */
function kernel(size = 10_000): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 7;
  bytes.fill(0, 0, Arm64Header.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(Arm64Header.offsets.magic, ARM64_IMAGE_MAGIC, true);
  view.setUint32(Arm64Header.offsets.imageSize, size, true);
  return bytes;
}

function dtb(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xd00dfeed);
  view.setUint32(4, 64);
  return bytes;
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

async function image(
  content: Uint8Array<ArrayBuffer>,
  headerVersion: 0 | 1 | 2 = 0,
): Promise<Uint8Array<ArrayBuffer>> {
  const { bytes } = await buildBootImage(
    { headerVersion, pageSize: 2048 },
    {
      kernel: content,
      ramdisk: RAMDISK,
      cmdline: "quiet splash",
      ...(headerVersion === 2 ? { dtb: dtb() } : {}),
    },
  );
  return bytes;
}

const FORMS = {
  raw: (bytes: Uint8Array<ArrayBuffer>) => Promise.resolve(bytes),
  gzip: (bytes: Uint8Array<ArrayBuffer>) => gzip(bytes, { level: 1 }),
  lz4: (bytes: Uint8Array<ArrayBuffer>) => lz4LegacyEncode(bytes),
};

for (const [form, encode] of Object.entries(FORMS)) {
  test(`loadBootImage() takes a kernel that is ${form}, with and without a device tree behind it`, async () => {
    for (const tree of [new Uint8Array(0), dtb()]) {
      const bytes = await image(join(await encode(kernel()), tree));
      const loaded = await loadBootImage(bytes, PHONE);
      assert.deepEqual(loaded.kernel, kernel());
      assert.deepEqual(loaded.ramdisk, RAMDISK);
      assert.equal(loaded.cmdline, "quiet splash");
      assert.deepEqual(loaded.dtb, tree.length ? dtb() : undefined);
    }
  });
}

test("loadBootImage() takes header versions 0 to 2", async () => {
  for (const version of [0, 1, 2] as const) {
    const bytes = await image(kernel(), version);
    const loaded = await loadBootImage(bytes, PHONE);
    assert.equal(loaded.headerVersion, version);
    assert.equal(loaded.dtb !== undefined, version === 2);
  }
});

async function refuses(
  bytes: Uint8Array<ArrayBuffer>,
  words: RegExp,
  phone: Parameters<typeof loadBootImage>[1] = PHONE,
) {
  await assert.rejects(loadBootImage(bytes, phone), (error) => {
    assert.ok(error instanceof BootRefusal, `${error}`);
    assert.match(error.message, words);
    assert.ok(error.message.length < 200, "it fits into a reply");
    return true;
  });
}

test("loadBootImage() refuses what a bootloader refuses", async () => {
  const good = await image(kernel());
  const at = (offset: number, value: number) => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setUint32(offset, value, true);
    return bytes;
  };
  await refuses(new Uint8Array(0), /invalid boot image header/);
  await refuses(at(0, 0), /invalid boot image header/);
  await refuses(at(40, 9), /unsupported header version 9/);
  await refuses(at(36, 3000), /invalid page size 3000/);
  await refuses(at(8, 0), /kernel not found/);
  await refuses(at(8, 0x7fffffff), /incomplete/);
  await refuses(good.subarray(0, good.length - 1), /incomplete/);
  await refuses(good.subarray(0, 1000), /incomplete/);
  await refuses(await image(await zstdEncode(kernel())), /kernel is zstd/);
  await refuses(await image(new Uint8Array(5000)), /unknown format/);
  const packed = await gzip(kernel(), { level: 1 });
  packed.fill(0xff, 100, 200);
  await refuses(await image(packed), /decompressing kernel failed/);
  const v2 = await image(kernel(), 2);
  v2.fill(0, v2.length - 2048, v2.length - 2044);
  await refuses(v2, /invalid device tree/);
  await refuses(good, /expected a bzImage/, {
    machine: "x86_64",
    memoryMiB: 64,
  });
  await refuses(await image(kernel(2 << 20)), /out of memory/, {
    machine: "aarch64",
    memoryMiB: 1,
  });
});
