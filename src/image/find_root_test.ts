import assert from "node:assert/strict";
import test from "node:test";
import { openMemory } from "../block/memory.ts";
import type { BlockReader } from "../block/reader.ts";
import { FormatError } from "../errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { MemorySource, type PathDescription } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import { findRoot, MAX_LAYERS } from "./find_root.ts";
import { formatChain, type OpenedFormat, type Part } from "./layers.ts";

/** Images by what they say in place of a format's first bytes. */
const opened = new Map<string, () => OpenedFormat>();

/** A reader that is taken for xz, and opens as it is told. */
function image(open: () => OpenedFormat): BlockReader {
  const identity = `image ${opened.size}`;
  opened.set(identity, open);
  const bytes = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0, 0);
  return openMemory(bytes, { name: "disk", identity });
}

function find(reader: BlockReader, ...roots: string[]) {
  return findRoot(
    reader,
    (_, { identity }) => Promise.resolve().then(() => opened.get(identity)!()),
    { roots },
  );
}

function files(kind: string, ...entries: PathDescription[]): BlockReader {
  const source = Object.assign(MemorySource.from(entries), { kind });
  return image(() => ({ kind: "files", files: withPaths(source) }));
}

const file = (path: string): PathDescription => ({ path, type: "file" });
const rootFs = (kind = "ext4") => files(kind, file("/usr/lib/os-release"));
const failing = (code: FormatError["code"], message: string) =>
  image(() => {
    throw new FormatError(code, message);
  });
const broken = (code: FormatError["code"], reason: string) =>
  failing(code, `Cannot open "disk": ${reason}`);
const part = (
  label: string,
  content: BlockReader,
  ...names: string[]
): Part => ({
  label,
  names: [label, ...names],
  size: content.size,
  open: () => Promise.resolve(content),
});
const disk = (...parts: Part[]) =>
  image(() => ({ kind: "disk", label: "GPT", parts }));
const archive = (...parts: Part[]) =>
  image(() => ({ kind: "archive", label: "ZIP", parts }));
const wrap = (reader: BlockReader, label = "xz (3 blocks)") =>
  image(() => ({ kind: "wrapper", label, reader }));
const kinds = (others: readonly { files: FileSystem }[]) =>
  others.map(({ files }) => files.kind);

test("findRoot() goes through wrappers and a disk to the only root", async () => {
  const root = rootFs();
  const found = await find(wrap(disk(
    part('#1 "esp"', files("FAT", file("/loader/a.conf"))),
    part("#2", broken("image.unknown-format", "nothing known")),
    part('#3 "root"', root),
  )));
  assert.equal(
    formatChain(found.chain),
    'xz (3 blocks) → GPT → #3 "root" → ext4',
  );
  assert.equal(found.reader.identity, root.identity);
  assert.equal(found.reader.name, 'disk#3 "root"');
  assert.deepEqual(kinds(found.others), ["FAT"]);
  assert.deepEqual(found.passed, [
    { what: "xz (3 blocks) → GPT → #2", reason: "nothing known" },
  ]);
});

test("findRoot() tells why a part was passed over, whatever its name", async () => {
  const label = '#2 "a: b"';
  for (
    const [message, reason] of [
      ['Cannot open "disk#2 "a: b"": found c: d', "found c: d"],
      ['Cannot open "disk#2 "a: b"" at byte 5: found c: d', "found c: d"],
      ['Cannot open partition #2 "a: b" of "disk": it ends', "it ends"],
      ["Cannot go on: found c: d", "found c: d"],
      ["Cannot go on", "Cannot go on"],
    ] as const
  ) {
    const content = failing("image.unknown-format", message);
    const { passed } = await find(
      disk(part("#1", rootFs()), part(label, content)),
    );
    assert.deepEqual(passed, [{ what: `GPT → ${label}`, reason }]);
  }
});

test("findRoot() asks which of several roots is meant, and takes the one that is named", async () => {
  const two = disk(
    part('#1 "a"', rootFs(), "#1", "a"),
    part('#2 "b"', rootFs("erofs"), "#2", "b"),
  );
  await assert.rejects(find(two), {
    code: "image.ambiguous-root",
    message:
      'Cannot tell which root of "disk" is meant: found #1 "a" (ext4), #2 "b" (erofs), expected one; choose by --root, as in --root \'#1\'',
  });
  for (const name of ["#2", "b", '#2 "b"']) {
    const found = await find(two, name);
    assert.equal(found.files.kind, "erofs");
    assert.deepEqual(found.others, []);
    assert.equal(found.passed[0]?.reason, "another root was asked for");
  }
  await assert.rejects(find(two, "c"), {
    code: "image.no-such-root",
    message: 'Cannot find root "c" in "disk": found #1 "a", #2 "b"',
  });
  await assert.rejects(find(rootFs(), "c"), { code: "image.no-such-root" });
  const same = disk(part("#1", rootFs(), "x"), part("#2", rootFs(), "x"));
  await assert.rejects(find(same, "x"), { code: "image.ambiguous-root" });
});

test("findRoot() takes a lone file system whatever it holds, and one of many when it is named", async () => {
  assert.equal((await find(files("erofs"))).files.kind, "erofs");
  const lone = disk(
    part("#1", files("FAT")),
    part("#2", broken("image.unknown-format", "swap")),
  );
  assert.equal((await find(lone)).files.kind, "FAT");
  const many = disk(part("#1", files("FAT")), part("#2", files("ext4")));
  await assert.rejects(find(many), {
    code: "image.no-root",
    message: /found #1 \(FAT\), #2 \(ext4\), expected one with an init/,
  });
  assert.equal((await find(many, "#2")).files.kind, "ext4");
});

test("findRoot() tells what is wrong with what may be the root, rather than take something else", async () => {
  const wrong = broken("btrfs.unsupported", "found btrfs");
  const parts = [part("#1", files("FAT")), part("#2", wrong)];
  await assert.rejects(find(disk(...parts)), { code: "btrfs.unsupported" });
  await assert.rejects(find(disk(...parts), "#2"), {
    code: "btrfs.unsupported",
  });
  assert.equal((await find(disk(...parts), "#1")).files.kind, "FAT");
  const root = part("#3", rootFs());
  assert.equal((await find(disk(...parts, root))).files.kind, "ext4");
  await assert.rejects(find(disk()), { code: "image.no-root" });
});

test("findRoot() finds the root of live media, also inside a second file system", async () => {
  const live = (path: string, content: BlockReader) => {
    const source = MemorySource.from([file("/live/vmlinuz"), file(path)]);
    const fs = withPaths(Object.assign(source, { kind: "ISO 9660" }));
    fs.open = () => Promise.resolve(content);
    return image(() => ({ kind: "files", files: fs }));
  };
  const debian = await find(
    live("/live/filesystem.squashfs", rootFs("squashfs")),
  );
  assert.equal(
    formatChain(debian.chain),
    "ISO 9660 → /live/filesystem.squashfs → squashfs",
  );
  assert.equal(debian.reader.name, "disk/live/filesystem.squashfs");
  assert.deepEqual(kinds(debian.others), ["ISO 9660"]);
  const fedora = await find(live(
    "/LiveOS/squashfs.img",
    live("/LiveOS/rootfs.img", rootFs()),
  ));
  assert.equal(
    formatChain(fedora.chain),
    "ISO 9660 → /LiveOS/squashfs.img → ISO 9660 → /LiveOS/rootfs.img → ext4",
  );
  const arch = await find(
    live("/arch/aarch64/airootfs.erofs", rootFs("erofs")),
  );
  assert.equal(arch.files.kind, "erofs");
  const odd = await find(live("/casper/minimal.squashfs", rootFs("squashfs")));
  assert.equal(odd.chain[1]?.label, "/casper/minimal.squashfs");
});

test("findRoot() opens only the entry of an archive that is meant", async () => {
  const other = part("boot.img", image(() => assert.fail("was opened")));
  const found = await find(archive(
    part("README.txt", files("x")),
    other,
    part("rootfs.img", rootFs()),
  ));
  assert.equal(formatChain(found.chain), "ZIP → rootfs.img → ext4");
  assert.equal(found.reader.name, "disk/rootfs.img");
  const two = archive(part("a.img", rootFs()), part("b.img", rootFs("erofs")));
  await assert.rejects(find(two), {
    code: "image.ambiguous-root",
    message: /found a\.img, b\.img, expected one image; .* --root 'a\.img'$/,
  });
  assert.equal((await find(two, "b.img")).files.kind, "erofs");
  const disk = archive(
    part("disk", rootFs()),
    part("disk.ero", rootFs("erofs")),
  );
  assert.equal((await find(disk)).files.kind, "erofs");
  assert.equal((await find(archive(part("x", rootFs())))).files.kind, "ext4");
  await assert.rejects(
    find(archive(part("usr/bin/env", rootFs()), part("etc/passwd", rootFs()))),
    { code: "image.root-archive" },
  );
  await assert.rejects(find(archive()), { code: "image.no-root" });
});

test("findRoot() opens 16 layers, not 17", async () => {
  const deep = (layers: number) => {
    let reader = rootFs();
    for (let i = 1; i < layers; i++) reader = wrap(reader);
    return reader;
  };
  assert.equal((await find(deep(MAX_LAYERS))).chain.length, 16);
  await assert.rejects(find(deep(MAX_LAYERS + 1)), { code: "image.too-deep" });
});

test("findRoot() names what nobody knows", async () => {
  await assert.rejects(find(openMemory(new Uint8Array(5000))), {
    code: "image.unknown-format",
    message: /no known format in its first 5000 bytes/,
  });
  await assert.rejects(find(openMemory(new Uint8Array(0))), {
    code: "image.unknown-format",
    message: /: it is empty, expected an image/,
  });
});
