import assert from "node:assert/strict";
import test from "node:test";
import {
  blockReaderConformance,
} from "../../../tests/conformance/block_reader.ts";
import {
  fileSystemConformance,
  type ManifestEntry,
} from "../../../tests/conformance/file_system.ts";
import { exercise } from "../../../tests/support/exercise.ts";
import {
  flip,
  packedImage,
  packedImages,
} from "../../../tests/support/packed_images.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import { type FatFileSystem, openFat } from "./open.ts";

const IMAGES = packedImages("fat");
const EPOCH = 1767225600;
const numbers = Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join("");
const encode = (text: string) => new TextEncoder().encode(text);

/** What make.sh puts in. */
const MANIFEST: readonly ManifestEntry[] = [
  file("/CAPITALS.TXT", "in capitals\n"),
  file("/small.txt", "in small letters\n"),
  file("/A long name, Übergröße.text", "a long name\n"),
  file("/empty", ""),
  file("/pieces", numbers),
  { path: "/folder", type: "directory", mode: 0o755, mtime: EPOCH },
  file("/folder/numbers", numbers),
  ...[2, 4, 6].map((n) => file(`/folder/filler-${n}`, `${n}`.repeat(3000))),
  { path: "/folder/below", type: "directory", mtime: EPOCH },
  file("/folder/below/deep.txt", "deep\n"),
];

function file(path: string, text: string): ManifestEntry {
  const content = encode(text);
  return {
    path,
    type: "file",
    content,
    size: content.length,
    mtime: EPOCH,
    mode: 0o755,
  };
}

for (const { name, bytes } of IMAGES) {
  fileSystemConformance(
    `openFat() of ${name}`,
    async () => ({ files: await openFat(openMemory(bytes)) }),
    MANIFEST,
  );

  test(`openFat() of ${name} costs at most 3 reads`, async () => {
    const source = withRecord(openMemory(bytes));
    const files = await openFat(source);
    assert.ok(source.report.requests <= 3, `${source.report.requests} reads`);
    assert.equal(files.source.label, "SMALL");
    assert.equal(files.source.volume.serial, "fa57-b009");
    assert.equal(files.kind, name.slice(0, 5).toUpperCase());
  });

  test(`openFat() of ${name} knows the pieces of a file`, async () => {
    const files = await openFat(openMemory(bytes));
    const inode = await files.stat("/pieces");
    const extents = await files.source.extentsOf(inode);
    assert.ok(extents.length > 2, `${extents.length} pieces`);
    const joined = extents.map(({ offset, size }) =>
      new TextDecoder().decode(bytes.subarray(offset, offset + size))
    );
    assert.equal(joined.join(""), numbers);
    const empty = await files.stat("/empty");
    assert.deepEqual(await files.source.extentsOf(empty), []);
  });

  test(`openFat() of ${name} gives the right bytes or a code when cut short`, async () => {
    const files = await openFat(openMemory(bytes));
    const spots = [1, 511, 512, 513, files.source.volume.dataStart];
    for await (const { inode } of files.walk("/")) {
      if (inode.number > 1) spots.push(inode.number);
      if (inode.type !== "file") continue;
      for (const { offset, size } of await files.source.extentsOf(inode)) {
        spots.push(offset, offset + size);
      }
    }
    const codes = new Set<string>();
    for (const spot of spots) {
      for (const size of [spot - 1, spot, spot + 1]) {
        const cut = bytes.slice(0, Math.max(0, size));
        const result = await exercise(() => openFat(openMemory(cut)));
        for (const code of result.codes) codes.add(code);
        if (!result.opened) continue;
        await checkContent(await openFat(openMemory(cut)));
      }
    }
    assert.deepEqual([...codes], ["fat.truncated"]);
  });

  test(`openFat() of ${name} survives flipped bits`, async () => {
    let opened = 0;
    let refused = 0;
    const { tableStart } = (await openFat(openMemory(bytes))).source.volume;
    const root = bytes.indexOf(0x43, tableStart + 512);
    const starts = [0, 11, 24, 36, 64, 510, tableStart, root];
    const copy = bytes.slice();
    for (const start of starts) {
      for (let bit = start * 8; bit < (start + 64) * 8; bit += 23) {
        flip(copy, bit);
        const result = await exercise(() => openFat(openMemory(copy)));
        flip(copy, bit);
        if (result.opened) opened++;
        if (result.codes.length > 0) refused++;
        for (const code of result.codes) assert.match(code, /^(fat|fs)\./);
      }
    }
    assert.ok(
      opened > 0 && refused > 0,
      `${opened} opened, ${refused} refused`,
    );
  });
}

/** Every file that can be read is as it was. */
async function checkContent(files: FatFileSystem): Promise<void> {
  for (const { path, content } of MANIFEST) {
    if (content === undefined) continue;
    try {
      const reader = await files.open(path);
      const found = await readExactly(reader, 0, reader.size);
      assert.deepEqual(found, content, path);
    } catch (error) {
      assert.ok(isCoded(error, "fat.truncated"), String(error));
    }
  }
}

const FAT16 = packedImage("fat", "fat16.img").bytes;

/** A copy of the FAT16 with bytes changed. */
function changed(
  change: (bytes: Uint8Array, view: DataView) => void,
): Uint8Array<ArrayBuffer> {
  const copy = FAT16.slice();
  change(copy, new DataView(copy.buffer));
  return copy;
}

test("openFat() refuses other file systems by name", async () => {
  for (
    const [mark, name] of [["EXFAT   ", "exFAT"], ["NTFS    ", "NTFS"]] as const
  ) {
    const bytes = changed((bytes) => bytes.set(encode(mark), 3));
    await assert.rejects(
      openFat(openMemory(bytes, { name: "disk.img" })),
      {
        code: "fat.unsupported-feature",
        message:
          `Cannot read boot sector of FAT "disk.img": it is ${name}, which fastboop does not read; use an image with FAT12, FAT16 or FAT32`,
      },
    );
  }
  await assert.rejects(
    openFat(openMemory(new Uint8Array(4096), { name: "zeros.img" })),
    {
      code: "fat.bad-magic",
      message:
        'Cannot read boot sector of FAT "zeros.img": signature at byte 510 is 0x0000, expected 0x55aa; the file holds something else',
    },
  );
});

test("openFat() refuses numbers that make no sense", async () => {
  const codes = [
    [11, 1000],
    [13, 3],
    [14, 0],
    [16, 0],
    [17, 0],
    [22, 9],
    [22, 60000],
  ].map(([at, value]) =>
    openFat(openMemory(changed((bytes, view) => {
      if (at === 13 || at === 16) bytes[at] = value!;
      else view.setUint16(at!, value!, true);
    }))).then((files) => {
      // a table that is too short leaves the last clusters out
      assert.equal(at, 22);
      return String(files.source.volume.clusterCount);
    }, (error) => error.code)
  );
  assert.deepEqual(await Promise.all(codes), [
    "fat.damaged",
    "fat.damaged",
    "fat.damaged",
    "fat.damaged",
    "fat.damaged",
    String(9 * 256 - 2),
    "fat.damaged",
  ]);
});

test("openFat() refuses chains that loop, end early or leave the table", async () => {
  const files = await openFat(openMemory(FAT16));
  const { tableStart, clusterSize, dataStart } = files.source.volume;
  const inode = await files.stat("/folder/numbers");
  const { offset } = (await files.source.extentsOf(inode))[0]!;
  const first = (offset - dataStart) / clusterSize + 2;
  const messages: string[] = [];
  for (const next of [first, 0xffff, 0, 0xfff7, 5000]) {
    const bytes = changed((_, view) => {
      view.setUint16(tableStart + (first + 1) * 2, next, true);
    });
    const damaged = await openFat(openMemory(bytes, { name: "bad.img" }));
    const content = await damaged.open("/folder/numbers");
    assert.equal(content.size, numbers.length);
    await assert.rejects(content.read(0, new Uint8Array(1)), (error) => {
      assert.ok(isCoded(error, "fat.damaged"), String(error));
      messages.push(error.message.replace(/^.*"bad.img": /, ""));
      return true;
    });
  }
  const end = "; the image is damaged";
  assert.deepEqual(messages, [
    `cluster ${first} is in its chain twice${end}`,
    `its chain ends after 2 clusters of 1024 bytes, expected 14${end}`,
    `its chain goes on at cluster 0, expected 2 to 4366${end}`,
    `its chain goes on at cluster 65527, expected 2 to 4366${end}`,
    `its chain goes on at cluster 5000, expected 2 to 4366${end}`,
  ]);
});

test("openFat() refuses a directory that holds itself, or never ends", async () => {
  const files = await openFat(openMemory(FAT16));
  const { number } = await files.stat("/folder/below");
  const parent = await files.stat("/folder");
  const { tableStart } = files.source.volume;
  const cluster = FAT16[parent.number + 26]!;
  const loop = changed((_, view) => view.setUint16(number + 26, cluster, true));
  const looping = await openFat(openMemory(loop));
  await assert.rejects(async () => {
    for await (const _ of looping.walk("/"));
  }, { code: "fs.directory-loop" });
  const endless = changed((_, view) =>
    view.setUint16(tableStart + cluster * 2, cluster, true)
  );
  const files2 = await openFat(openMemory(endless));
  await assert.rejects(files2.find("/folder/nothing"), { code: "fat.damaged" });
});

test("openFat() takes the table that FAT32 marks as active", async () => {
  const { bytes } = packedImage("fat", "fat32.img");
  const { volume } = (await openFat(openMemory(bytes))).source;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  copy.fill(0, volume.tableStart, volume.tableStart + 4096);
  await assert.rejects(openFat(openMemory(copy)), { code: "fat.damaged" });
  view.setUint16(40, 0x81, true);
  const files = await openFat(openMemory(copy));
  assert.equal((await files.stat("/pieces")).size, numbers.length);
  view.setUint16(40, 0x82, true);
  await assert.rejects(openFat(openMemory(copy)), { code: "fat.damaged" });
});

test("openFat() shows short names as Windows NT wrote them", async () => {
  const { number } = await (await openFat(openMemory(FAT16))).stat(
    "/small.txt",
  );
  const names: string[] = [];
  for (const flags of [0, 0x08, 0x10, 0x18]) {
    const bytes = changed((bytes) => bytes[number + 12] = flags);
    const files = await openFat(openMemory(bytes));
    for await (const { name, number: found } of files.list("/")) {
      if (found === number) names.push(name);
    }
  }
  assert.deepEqual(names, ["SMALL.TXT", "small.TXT", "SMALL.txt", "small.txt"]);
});

test("openFat() passes over long names that lost their entry", async () => {
  const files = await openFat(openMemory(FAT16));
  const { number } = await files.stat("/A long name, Übergröße.text");
  const names = async (change: (bytes: Uint8Array) => void) => {
    const opened = await openFat(openMemory(changed(change)));
    const found: string[] = [];
    for await (const entry of opened.list("/")) {
      if (entry.number === number) found.push(entry.name);
    }
    return found.join();
  };
  assert.equal(await names(() => {}), "A long name, Übergröße.text");
  // wrong sum, wrong order, first part deleted: the short name is what is left
  assert.match(await names((bytes) => bytes[number - 32 + 13]! ^= 1), /^ALONG/);
  assert.match(await names((bytes) => bytes[number - 64]! ^= 3), /^ALONG/);
  assert.match(await names((bytes) => bytes[number - 32] = 0xe5), /^ALONG/);
  // half a pair stands for no character
  const half = await names((bytes) => {
    bytes[number - 32 + 1] = 0x3d;
    bytes[number - 32 + 2] = 0xd8;
  });
  assert.equal(half, "\ufffd long name, Übergröße.text");
});

blockReaderConformance("openFat() file in pieces", async (content) => {
  const image = FAT16.slice();
  const view = new DataView(image.buffer);
  const { number } = await (await openFat(openMemory(FAT16))).stat("/pieces");
  const { volume } = (await openFat(openMemory(FAT16))).source;
  // clusters 1000, 1002, 1004 …
  const count = Math.ceil(content.length / volume.clusterSize);
  const clusterOf = (index: number) => 1000 + index * 2;
  for (let i = 0; i < count; i++) {
    const start = i * volume.clusterSize;
    const at = volume.dataStart + (clusterOf(i) - 2) * volume.clusterSize;
    image.set(content.subarray(start, start + volume.clusterSize), at);
    const next = i + 1 < count ? clusterOf(i + 1) : 0xffff;
    view.setUint16(volume.tableStart + clusterOf(i) * 2, next, true);
  }
  view.setUint16(number + 26, content.length > 0 ? 1000 : 0, true);
  view.setUint32(number + 28, content.length, true);
  const files = await openFat(openMemory(image));
  return { reader: await files.open("/pieces") };
});
