import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { openMemory } from "../../src/block/memory.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import { FormatError, isCoded } from "../../src/errors.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { openZip, openZipEntry } from "../../src/format/zip/open.ts";
import { patternBytes } from "../conformance/controlled_source.ts";
import { hash } from "../support/compare.ts";
import { cutTo, withFlipped } from "../support/damaged_reader.ts";
import { imageTest, madeFacts, output } from "../support/real_image.ts";

const ZIP = "debian-arm64.zip";
const EXT4 = "debian-arm64.ext4", EROFS = "debian-arm64.erofs-lz4hc";

/** What Python's zipfile says of an entry. */
interface Theirs {
  readonly name: string;
  readonly size: number;
  readonly stored: number;
  readonly method: number;
  readonly crc: number;
  readonly at: number;
  readonly sha256?: string;
}

const PYTHON = `
import zipfile, sys, json, hashlib
archive = zipfile.ZipFile(sys.argv[1])
out = []
step = int(sys.argv[2])
for index, entry in enumerate(archive.infolist()):
    name = entry.filename
    if not entry.flag_bits & 0x800:
        # most write UTF-8 without saying so
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    one = dict(name=name, size=entry.file_size, stored=entry.compress_size,
        method=entry.compress_type, crc=entry.CRC, at=entry.header_offset)
    if not entry.is_dir() and index % step == 0:
        one["sha256"] = hashlib.sha256(archive.read(entry)).hexdigest()
    out.append(one)
json.dump(out, sys.stdout)
`;

function python(path: string, step = 1): Theirs[] {
  return JSON.parse(output(["python3", "-c", PYTHON, path, String(step)]));
}

const METHODS: Readonly<Record<number, string>> = { 0: "stored", 8: "deflate" };

/** Compares every entry, and the content of every `step`-th. */
async function compare(
  image: BlockReader,
  theirs: readonly Theirs[],
  step = 1,
): Promise<void> {
  const zip = await openZip(image);
  assert.equal(zip.entries.length, theirs.length);
  for (const [index, entry] of zip.entries.entries()) {
    const { name, size, storedSize, method, crc32, headerOffset } = entry;
    const their = theirs[index]!;
    assert.deepEqual(
      { name, size, storedSize, method, crc32, headerOffset },
      {
        name: their.name.replace(/\/$/, ""),
        size: their.size,
        storedSize: their.stored,
        method: METHODS[their.method],
        crc32: their.crc,
        headerOffset: their.at,
      },
    );
    if (entry.problem?.code === "zip.not-a-file") continue;
    assert.equal(entry.problem, undefined);
    if (index % step !== 0) continue;
    const reader = await zip.open(entry);
    try {
      assert.equal(await hash(reader), their.sha256, name);
    } finally {
      await reader.close();
    }
  }
}

imageTest(
  ["odd.zip"],
  ["python3", "zipinfo"],
  "odd.zip: every entry is as Python and zipinfo read it",
  async ({ paths: [path], open }) => {
    const image = withRecord(await open(path!));
    const { entries } = await openZip(image);
    assert.equal(image.report.requests, 2);
    const names = output(["zipinfo", "-1", path!]).trimEnd().split("\n");
    assert.equal(names.length, entries.length);
    // those in ASCII: zipinfo writes others in its own way
    for (const [index, { name }] of entries.entries()) {
      if (/^[ -~]*$/.test(name) && !/[\\^]/.test(name)) {
        assert.equal(names[index], name);
      }
    }
    await compare(image, python(path!));
  },
);

imageTest(
  [ZIP, EROFS, EXT4],
  [],
  `${ZIP}: the stored entry is ${EROFS}, the deflated one ${EXT4}, byte for byte`,
  async ({ paths: [path, erofs, ext4], open, folder }) => {
    const image = withRecord(await open(path!));
    const direct = await openZipEntry(image, "images/debian.erofs");
    assert.ok(image.report.requests <= 2, `${image.report.requests} reads`);
    assert.equal(await hash(direct), madeFacts(erofs!).sha256);
    const files = await openErofs(direct);
    assert.ok(await files.find("/usr/lib/os-release"));

    const { size, sha256 } = madeFacts(ext4!);
    await assert.rejects(
      openZipEntry(image, "images/debian.ext4"),
      (error) => isCoded(error, "store.no-room"),
    );
    const store = openDiskStore(join(folder, "store"));
    const told: number[] = [];
    const spooled = await openZipEntry(image, "images/debian.ext4", {
      store,
      onProgress: ({ done }) => told.push(done),
    });
    // somewhere in the middle first: all before it is decoded
    const original = await open(ext4!);
    const middle = size / 2 + 12345;
    assert.deepEqual(
      await readExactly(spooled, middle, 5000),
      await readExactly(original, middle, 5000),
    );
    assert.equal(spooled.size, size);
    assert.equal(await hash(spooled), sha256);
    assert.equal(told.at(-1), size);
    await spooled.close();
    image.reset();
    const again = await openZipEntry(image, "images/debian.ext4", { store });
    await readExactly(again, size - 4096, 4096);
    assert.ok(image.report.bytes < 100_000, `${image.report.bytes} bytes`);
    await again.close();
  },
);

const MAKE = `
import zipfile, sys, os
data = open(sys.argv[2], "rb").read()
class Pipe:
    def __init__(self, file): self.file = file
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
kind = sys.argv[3]
with open(sys.argv[1], "wb") as file:
    out = Pipe(file) if "streamed" in kind else file
    if "prepended" in kind: file.write(b"#!/bin/sh\\nexit 0\\n" * 100)
    with zipfile.ZipFile(out, "w") as archive:
        for index in range(70000 if "many" in kind else 5):
            info = zipfile.ZipInfo(f"folder/file-{index}")
            info.compress_type = zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64="zip64" in kind) as entry:
                entry.write(data if index < 5 else b"x")
        if "comment" in kind: archive.comment = b"A comment. " * 2000
`;

imageTest(
  [],
  ["python3", "zip", "bsdtar"],
  "openZip() reads what Python, zip and bsdtar make: ZIP64, streamed, with comments, behind a program",
  async ({ folder }) => {
    const data = join(folder, "data");
    const bytes = new Uint8Array([
      ...patternBytes(30_000),
      ...new Uint8Array(70_000).fill(65),
    ]);
    writeFileSync(data, bytes);
    const path = join(folder, "made.zip");
    for (
      const kind of [
        "plain",
        "zip64",
        "streamed",
        "streamed zip64",
        "prepended",
        "comment",
        "many",
      ]
    ) {
      output(["python3", "-c", MAKE, path, data, kind]);
      const image = openMemory(readFileSync(path), { name: kind });
      const step = kind === "many" ? 9973 : 1;
      await compare(image, python(path, step), step);
    }
    const programs: Record<string, string> = {
      "zip": 'zip -q "$1" data',
      "zip to a pipe": 'cat data | zip -q - - >"$1"',
      "zip of a folder":
        'mkdir -p folder && cp data folder && zip -q -r "$1" folder',
      "zip with links": 'ln -s data link; zip -q -y "$1" link data',
      "zip -fz": 'zip -q -fz "$1" data',
      "bsdtar": 'bsdtar --format zip -cf "$1" data',
      "bsdtar to a pipe": 'bsdtar --format zip -cf - data | cat >"$1"',
    };
    for (const [name, script] of Object.entries(programs)) {
      output(["sh", "-euc", `rm -f "$1"; ${script}`, "sh", path], {
        cwd: folder,
      });
      await compare(openMemory(readFileSync(path), { name }), python(path));
    }
  },
);

imageTest(
  [],
  ["zip", "bsdtar"],
  "openZip() refuses by name what is encrypted, in parts or of other methods",
  async ({ folder, open }) => {
    writeFileSync(join(folder, "data"), patternBytes(300_000));
    const make = (script: string) =>
      output(["sh", "-euc", script], { cwd: folder });
    make("zip -q -P secret encrypted.zip data");
    make("zip -q -s 64k parts.zip data");
    make("zip -q -Z bzip2 bzip2.zip data");
    const cases = [["encrypted.zip", /encrypted/], [
      "bzip2.zip",
      /12 \(bzip2\)/,
    ]] as const;
    for (const [name, text] of cases) {
      const image = await open(join(folder, name));
      assert.equal((await openZip(image)).entries.length, 1);
      await assert.rejects(
        openZipEntry(image, "data"),
        (error) =>
          isCoded(error, "zip.unsupported-feature") && text.test(String(error)),
      );
    }
    await assert.rejects(
      openZip(await open(join(folder, "parts.zip"))),
      (error) => isCoded(error, "zip.unsupported-feature"),
    );
  },
);

imageTest(
  [ZIP],
  [],
  `${ZIP}: cut anywhere or with a bit of any header flipped, it gives a code`,
  async ({ paths: [path], open }) => {
    const image = await open(path!);
    const { entries } = await openZip(image);
    for (
      const end of [
        4,
        30,
        1000,
        ...entries.map(({ headerOffset }) => headerOffset + 5),
        image.size - 500,
        image.size - 23,
        image.size - 1,
      ]
    ) {
      await assert.rejects(
        openZip(cutTo(image, end)),
        (error) => isCoded(error, "zip.truncated"),
        `${end} bytes`,
      );
    }
    for (const { name, headerOffset } of entries) {
      // signature, flags, method, sum, sizes, length of the name, name
      for (const field of [0, 3, 6, 8, 9, 14, 17, 18, 21, 22, 25, 26, 27, 30]) {
        const damaged = withFlipped(image, headerOffset + field, 1);
        await assert.rejects(
          openZipEntry(damaged, name),
          (error) =>
            error instanceof FormatError &&
            isCoded(error, "zip.damaged", "zip.truncated"),
          `${name}, byte ${field}`,
        );
      }
    }
    const list = entries.find(({ name }) => name === "images/packages.list")!;
    const at = list.headerOffset + 30 + list.name.length;
    for (const offset of [0, 100, 1000, list.storedSize - 2]) {
      const reader = await openZipEntry(
        withFlipped(image, at + offset, 0x10),
        list.name,
      );
      await assert.rejects(
        readExactly(reader, 0, reader.size),
        (error) => isCoded(error, "zip.damaged", "zip.checksum-mismatch"),
        `byte ${offset}`,
      );
      await reader.close();
    }
  },
);
