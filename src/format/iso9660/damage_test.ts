import assert from "node:assert/strict";
import test from "node:test";
import { exercise } from "../../../tests/support/exercise.ts";
import {
  flip,
  packedImage,
  packedImages,
} from "../../../tests/support/packed_images.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { isCoded } from "../../errors.ts";
import { readElTorito } from "./el_torito.ts";
import { type IsoOptions, openIso9660 } from "./open.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const use = (bytes: Bytes, maxEntries?: number) =>
  exercise(() => openIso9660(openMemory(bytes)), maxEntries);

/** Every byte of content of an image, by path. */
async function contents(
  bytes: Bytes,
  codes = new Set<string>(),
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  try {
    const files = await openIso9660(openMemory(bytes));
    for await (const { path, inode } of files.walk("/")) {
      if (inode.type !== "file") continue;
      try {
        const reader = files.source.open(inode);
        found.set(path, String(await readExactly(reader, 0, reader.size)));
      } catch (error) {
        if (!isCoded(error)) throw error;
        codes.add(error.code);
      }
    }
  } catch (error) {
    if (!isCoded(error)) throw error;
    codes.add(error.code);
  }
  return found;
}

for (const { name, bytes } of packedImages("iso")) {
  /** Bytes at which something begins: records, and what they point to. */
  const structures = async (): Promise<number[]> => {
    const files = await openIso9660(openMemory(bytes));
    const found = new Set([32768, 32768 + 156, 34816, files.source.rootNumber]);
    for await (const { inode } of files.walk("/")) {
      found.add(inode.number);
      if (inode.type !== "file" || inode.size === 0) continue;
      const [extent] = await files.source.extentsOf(inode);
      found.add(extent!.offset).add(extent!.offset + extent!.size);
    }
    return [...found].sort((a, b) => a - b);
  };

  test(`openIso9660() gives the right bytes or a code when ${name} is cut short`, async () => {
    const whole = await contents(bytes);
    assert.ok(whole.size >= 10, `${whole.size} files`);
    const codes = new Set<string>();
    for (const spot of await structures()) {
      for (const size of [spot - 1, spot, spot + 1]) {
        for (
          const [path, text] of await contents(bytes.slice(0, size), codes)
        ) {
          assert.equal(text, whole.get(path), `${path}, cut at ${size}`);
        }
      }
    }
    assert.deepEqual([...codes], ["iso.truncated"]);
  });

  test(`openIso9660() survives flipped bits in the structures of ${name}`, async () => {
    const copy = bytes.slice();
    const spots = await structures();
    let refused = 0;
    let opened = 0;
    for (let i = 0; i < 200; i++) {
      const at = spots[(i * 7) % spots.length]! + (i * 13) % 120;
      const bit = Math.min(at, bytes.length - 1) * 8 + i % 8;
      flip(copy, bit);
      const result = await use(copy, 40);
      flip(copy, bit);
      if (result.opened) opened++;
      if (result.codes.length > 0) refused++;
      for (const code of result.codes) assert.match(code, /^(iso|fs)\./);
    }
    assert.ok(
      opened > 0 && refused > 0,
      `${opened} opened, ${refused} refused`,
    );
  });

  test(`openIso9660() survives flipped bits in the descriptors of ${name}`, async () => {
    const copy = bytes.slice();
    for (let bit = 32768 * 8; bit < (32768 + 200) * 8; bit += 7) {
      flip(copy, bit);
      await use(copy, 6);
      await readElTorito(openMemory(copy)).catch((error) => {
        assert.ok(isCoded(error), String(error));
      });
      flip(copy, bit);
    }
  });
}

const IMAGE = packedImage("iso", "xorriso.iso").bytes;

/** Says why a changed image, or a file of it, is refused. */
async function refusal(
  path: string,
  change: (bytes: Bytes, at: number) => void,
  names: IsoOptions["names"] = "rock-ridge",
): Promise<string> {
  const { number } = await (await openIso9660(openMemory(IMAGE), { names }))
    .lstat(path);
  const copy = IMAGE.slice();
  change(copy, number);
  let reader: BlockReader;
  try {
    const image = openMemory(copy, { name: "bad.iso" });
    const files = await openIso9660(image, { names });
    reader = await files.open(path);
    await reader.read(0, new Uint8Array(1));
  } catch (error) {
    assert.ok(isCoded(error), String(error));
    return `${error.code}: ${error.message.replaceAll(String(number), "N")}`;
  }
  return "not refused";
}

/** Position of an entry of Rock Ridge in the record at `at`. */
function entryAt(bytes: Bytes, at: number, signature: string): number {
  const end = at + bytes[at]!;
  for (let i = at + 33; i < end; i++) {
    if (String.fromCharCode(bytes[i]!, bytes[i + 1]!) === signature) return i;
  }
  throw new Error(`no ${signature} in the record at ${at}`);
}

test("openIso9660() names what is damaged", async () => {
  const path = "/sizes/4096";
  assert.match(
    await refusal(path, (bytes, at) => bytes[at] = 20),
    /its? is said to have 20 bytes, expected 34 to \d+; the image is damaged$/,
  );
  assert.match(
    await refusal(path, (bytes, at) => bytes[at + 32] = 250),
    /its name is said to have 250 bytes/,
  );
  assert.match(
    await refusal(path, (bytes, at) => bytes[at + 25] = 0x80),
    /another section, whose record does not follow/,
  );
  assert.match(
    await refusal(path, (bytes, at) => {
      bytes[entryAt(bytes, at, "PX") + 2] = 20;
    }),
    /^iso\.damaged: .*Rock Ridge of directory record at byte N/,
  );
});

test("openIso9660() reads the little-endian half of numbers, as Linux does", async () => {
  const path = "/sizes/4096";
  const files = await openIso9660(openMemory(IMAGE));
  const inode = await files.lstat(path);
  const copy = IMAGE.slice();
  const px = entryAt(copy, inode.number, "PX") + 4;
  const halves = [
    inode.number + 6,
    inode.number + 14,
    ...[0, 8, 16, 24].map((at) => px + at + 4),
    32768 + 84,
  ];
  for (const at of halves) copy.fill(0xff, at, at + 4);
  copy.fill(0xff, 32768 + 130, 32768 + 132); // of the block size
  const broken = await openIso9660(openMemory(copy));
  assert.deepEqual(broken.source.volume, files.source.volume);
  assert.deepEqual(await broken.lstat(path), inode);
  const [expected, found] = await Promise.all(
    [files, broken].map(async (files) =>
      await readExactly(await files.open(path), 0, inode.size)
    ),
  );
  assert.deepEqual(found, expected);
});

test("openIso9660() refuses what it does not read by its name", async () => {
  const path = "/sizes/4096";
  const rename = (to: string) => (bytes: Bytes, at: number) => {
    const entry = entryAt(bytes, at, "TF");
    bytes.set(new TextEncoder().encode(to), entry);
  };
  assert.match(
    await refusal(path, rename("ZF")),
    /^iso\.unsupported-feature: .*compressed by zisofs, which fastboop does not read; make the image without it/,
  );
  assert.match(
    await refusal(path, rename("SF")),
    /^iso\.unsupported-feature: .*sparse file of Rock Ridge/,
  );
  assert.match(
    await refusal(path, (bytes, at) => bytes[at + 26] = 1),
    /^iso\.unsupported-feature: .*interleaved/,
  );
});

test("openIso9660() refuses directories that hold themselves", async () => {
  const files = await openIso9660(openMemory(IMAGE));
  const outer = await files.stat("/deep");
  const inner = await files.stat("/deep/1/2");
  const copy = IMAGE.slice();
  copy.copyWithin(inner.number + 2, outer.number + 2, outer.number + 18);
  const looping = await openIso9660(openMemory(copy));
  await assert.rejects(async () => {
    for await (const _ of looping.walk("/"));
  }, { code: "fs.directory-loop" });
});

test("openIso9660() refuses continuations without end", async () => {
  const { bytes } = packedImage("iso", "rock-ridge.iso");
  const at = bytes.findIndex((byte, i) =>
    byte === 0x43 && bytes[i + 1] === 0x45 && bytes[i + 2] === 28 &&
    bytes[i + 3] === 1
  );
  const view = new DataView(bytes.buffer);
  const target = view.getUint32(at + 4, true) * 2048 +
    view.getUint32(at + 12, true);
  // what it goes on with is a copy of itself
  const copy = bytes.slice();
  copy.copyWithin(target, at, at + 28);
  const { codes } = await use(copy);
  assert.ok(codes.includes("iso.damaged"), codes.join());
});

test("openIso9660() refuses what is no ISO 9660", async () => {
  await assert.rejects(
    openIso9660(openMemory(new Uint8Array(65536), { name: "zeros.img" })),
    {
      code: "iso.bad-magic",
      message:
        'Cannot read volume descriptors of ISO 9660 "zeros.img": identifier at byte 32769 is "", expected "CD001"; the file holds something else',
    },
  );
  await assert.rejects(openIso9660(openMemory(new Uint8Array(100))), {
    code: "iso.truncated",
  });
});

/** A file of several sections, as `xorriso -iso-level 3` writes those of 4 GiB and more. */
test("openIso9660() joins the sections of a file", async () => {
  const { bytes } = packedImage("iso", "plain.iso");
  const files = await openIso9660(openMemory(bytes));
  const [a, b] = [
    await files.stat("/sizes/4096"),
    await files.stat("/sizes/4097"),
  ];
  assert.equal(b.number, a.number + bytes[a.number]!);
  const copy = bytes.slice();
  const identifier = bytes.subarray(
    a.number + 33,
    a.number + 33 + bytes[a.number + 32]!,
  );
  copy.set(identifier, b.number + 33);
  copy[a.number + 25] = 0x80;
  const joined = await openIso9660(openMemory(copy));
  const reader = await joined.open("/sizes/4096");
  assert.equal(reader.size, 4096 + 4097);
  const expected = await Promise.all(
    ["/sizes/4096", "/sizes/4097"].map(async (path) => {
      const each = await files.open(path);
      return [...await readExactly(each, 0, each.size)];
    }),
  );
  assert.deepEqual(
    [...await readExactly(reader, 0, reader.size)],
    expected.flat(),
  );
  const inode = await joined.stat("/sizes/4096");
  const fresh = await openIso9660(openMemory(copy));
  assert.deepEqual(await fresh.source.inode(inode.number), inode);
});
