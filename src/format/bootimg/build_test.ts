import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../../errors.ts";
import { type BootImageParts, buildBootImage } from "./build.ts";
import { type BootImageParams, maxBootCmdline } from "./params.ts";
import { parseBootImage } from "./parse.ts";
import { buildVendorBootImage, parseVendorBootImage } from "./vendor_boot.ts";

const PARAMS: BootImageParams = { headerVersion: 0, pageSize: 2048 };
const PARTS: BootImageParts = {
  kernel: new Uint8Array(3000).fill(1),
  ramdisk: new Uint8Array(2048).fill(2),
  cmdline: "quiet",
};
const DTB = new Uint8Array(10).fill(4);

async function refused(
  params: Partial<BootImageParams>,
  parts: Partial<BootImageParts> = {},
): Promise<{ code: string; message: string }> {
  return await buildBootImage({ ...PARAMS, ...params }, { ...PARTS, ...parts })
    .then(() => assert.fail("it was made"), (error) => {
      assert.ok(isCoded(error), String(error));
      return error;
    });
}

test("buildBootImage() says what lies where", async () => {
  const { bytes, layout } = await buildBootImage(
    { ...PARAMS, appendDtb: true, limits: { maxKernelBytes: 3010 } },
    { ...PARTS, dtb: DTB, second: new Uint8Array(1) },
  );
  assert.deepEqual(layout, [
    { name: "header", offset: 0, size: 1632, paddedSize: 2048 },
    {
      name: "kernel+dtb",
      offset: 2048,
      size: 3010,
      paddedSize: 4096,
      limit: 3010,
    },
    { name: "ramdisk", offset: 6144, size: 2048, paddedSize: 2048 },
    { name: "second", offset: 8192, size: 1, paddedSize: 2048 },
    { name: "total", offset: 0, size: 10240, paddedSize: 10240 },
  ]);
  assert.equal(bytes.length, 10240);
  const { kernel } = parseBootImage(bytes);
  assert.deepEqual(kernel.subarray(2999), Uint8Array.of(1, ...DTB));
});

test("buildBootImage() appends a device tree in every version, and then has no part for it", async () => {
  for (const headerVersion of [0, 1, 2, 3, 4]) {
    const params = { headerVersion, pageSize: 4096, appendDtb: true };
    const { bytes } = await buildBootImage(params, { ...PARTS, dtb: DTB });
    const image = parseBootImage(bytes);
    assert.equal(image.kernel.length, 3010);
    assert.equal(image.dtb.length, 0);
    assert.equal(image.addresses?.dtb ?? 0n, 0n);
  }
});

test("buildBootImage() refuses what exceeds a limit by one byte, and takes what reaches it", async () => {
  const total = 2048 + 4096 + 2048;
  const cases = [
    ["maxKernelBytes", 3000, "bootimg.kernel-too-large", "the kernel"],
    ["maxInitrdBytes", 2048, "bootimg.initrd-too-large", "the ramdisk"],
    ["maxTotalBytes", total, "bootimg.total-too-large", "the whole image"],
  ] as const;
  for (const [name, size, code, what] of cases) {
    await buildBootImage({ ...PARAMS, limits: { [name]: size } }, PARTS);
    await buildBootImage({ ...PARAMS, limits: { [name]: 0 } }, PARTS);
    const error = await refused({ limits: { [name]: size - 1 } });
    assert.equal(error.code, code);
    assert.equal(
      error.message,
      `Cannot make boot image: ${what} has ${size} bytes, expected at most ${
        size - 1
      }, 1 fewer`,
    );
  }
});

test("buildBootImage() takes a command line that fills the header, and none longer", async () => {
  for (const headerVersion of [0, 1, 2, 3, 4]) {
    const limit = maxBootCmdline(headerVersion);
    assert.equal(limit, headerVersion < 3 ? 1534 : 1535);
    const params = { headerVersion, pageSize: 4096 };
    const dtb = headerVersion === 2 ? { dtb: DTB } : {};
    // A letter of two bytes lies over the border of the two fields.
    const cmdline = `${"x".repeat(510)}ü${"y".repeat(limit - 512)}`;
    const { bytes } = await buildBootImage(params, {
      ...PARTS,
      ...dtb,
      cmdline,
    });
    assert.equal(parseBootImage(bytes).cmdline, cmdline);
    const error = await refused(params, { ...dtb, cmdline: `${cmdline}z` });
    assert.equal(error.code, "bootimg.cmdline-too-long");
    assert.match(
      error.message,
      new RegExp(`has ${limit + 1} bytes, expected at most ${limit} in header`),
    );
  }
  const { code } = await refused({}, { cmdline: "a\nb" });
  assert.equal(code, "bootimg.bad-cmdline");
});

test("buildBootImage() refuses what cannot be, each by name", async () => {
  const cases: [
    Partial<BootImageParams>,
    Partial<BootImageParts>,
    string,
    RegExp,
  ][] = [
    [{ headerVersion: 5 }, {}, "unknown-version", /is 5, expected 0 to 4/],
    [{ headerVersion: 0.5 }, {}, "unknown-version", /is 0\.5/],
    [{ pageSize: 0 }, {}, "bad-page-size", /is 0, expected a power of two/],
    [{ pageSize: 3000 }, {}, "bad-page-size", /is 3000/],
    [{ pageSize: 1024 }, {}, "bad-page-size", /from 2048 to 131072/],
    [
      { headerVersion: 3 },
      {},
      "bad-page-size",
      /is 2048, expected 4096, which header version 3 fixes/,
    ],
    [{}, { kernel: new Uint8Array(0) }, "empty-part", /the kernel has 0 bytes/],
    [{}, { ramdisk: new Uint8Array(0) }, "empty-part", /the ramdisk has 0/],
    [
      {},
      { dtb: DTB },
      "dtb-lost",
      /device tree of 10 bytes would be lost: header version 0 .*\+dtb/,
    ],
    [{ headerVersion: 1 }, { dtb: DTB }, "dtb-lost", /header version 1/],
    [
      { headerVersion: 4, pageSize: 4096 },
      { dtb: DTB },
      "dtb-lost",
      /version 4 has no place for it; the bootloader takes it from vendor_boot/,
    ],
    [
      { headerVersion: 2 },
      {},
      "dtb-missing",
      /version 2 demands a device tree/,
    ],
    [{ appendDtb: true }, {}, "dtb-missing", /ends in \+dtb, but there is no/],
    [
      { headerVersion: 3, pageSize: 4096 },
      { second: DTB },
      "second-lost",
      /second stage of 10 bytes would be lost/,
    ],
    [
      { headerVersion: 3, pageSize: 4096, base: 0x80000000 },
      {},
      "address-lost",
      /base is 0x80000000, but header version 3 holds no addresses/,
    ],
    [
      { base: 0xf0000000, ramdiskOffset: 0x10000000 },
      {},
      "address-overflow",
      /of the ramdisk is 0xf0000000 \+ 0x10000000 = 0x100000000, expected at most 0xffffffff/,
    ],
    [{ base: -1 }, {}, "address-overflow", /address of the kernel/],
  ];
  for (const [params, parts, code, message] of cases) {
    const error = await refused(params, parts);
    assert.equal(error.code, `bootimg.${code}`, error.message);
    assert.match(error.message, message);
  }
});

test("parseBootImage() gives a coded error for an image cut short anywhere", async () => {
  for (const headerVersion of [0, 2, 3, 4]) {
    const parts = headerVersion === 2 ? { ...PARTS, dtb: DTB } : PARTS;
    const params = { headerVersion, pageSize: 4096 };
    const { bytes, layout } = await buildBootImage(params, parts);
    const last = layout.at(-2)!;
    const end = last.offset + last.size;
    assert.equal(
      parseBootImage(bytes.subarray(0, end)).headerVersion,
      headerVersion,
    );
    for (let size = 0; size < end; size += size < 2048 ? 1 : 97) {
      assert.throws(
        () => parseBootImage(bytes.subarray(0, size)),
        (error) => isCoded(error, "bootimg.truncated", "bootimg.bad-magic"),
      );
    }
  }
});

test("parseBootImage() checks every size before it looks for a part", async () => {
  const { bytes } = await buildBootImage(
    { ...PARAMS, headerVersion: 2 },
    { ...PARTS, dtb: DTB },
  );
  const changed = (at: number, value: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  for (const at of [8, 16, 24, 1632, 1648]) {
    assert.throws(
      () => parseBootImage(changed(at, 0xffffffff)),
      (error) =>
        isCoded(error, "bootimg.truncated") &&
        /takes 4294967295 bytes from byte \d+/.test(error.message),
    );
  }
  for (const pageSize of [0, 1, 2047, 2 ** 31]) {
    assert.throws(
      () => parseBootImage(changed(36, pageSize)),
      (error) => isCoded(error, "bootimg.bad-page-size"),
    );
  }
  assert.throws(
    () => parseBootImage(changed(40, 5)),
    /header version at byte 40 is 5, expected 0 to 4/,
  );
  assert.throws(
    () => parseBootImage(changed(0, 0)),
    /found 00 00 00 00 4f 49 44 21 at byte 0, expected "ANDROID!"/,
  );
});

test("buildVendorBootImage() and parseVendorBootImage() agree, and refuse what is wrong", () => {
  const parts = { ramdisk: PARTS.ramdisk, dtb: DTB, cmdline: "a" };
  for (const headerVersion of [3, 4]) {
    const params = { headerVersion, pageSize: 2048, base: 0x1000 };
    const bytes = buildVendorBootImage(params, parts);
    const image = parseVendorBootImage(bytes);
    assert.deepEqual(image.dtb, DTB);
    assert.equal(image.cmdline, "a");
    assert.equal(image.addresses.kernel, 0x9000);
    for (let size = 0; size < 2048 + 4096; size += 31) {
      assert.throws(
        () => parseVendorBootImage(bytes.subarray(0, size)),
        (error) => isCoded(error),
      );
    }
  }
  const params = { headerVersion: 2, pageSize: 2048 };
  assert.throws(() => buildVendorBootImage(params, parts), /expected 3 or 4/);
  const cmdline = "x".repeat(2048);
  assert.throws(
    () =>
      buildVendorBootImage({ ...params, headerVersion: 3 }, {
        ...parts,
        cmdline,
      }),
    /has 2048 bytes, expected at most 2047/,
  );
});
