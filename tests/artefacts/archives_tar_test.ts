import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { openMemory } from "../../src/block/memory.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withRecord } from "../../src/block/record.ts";
import { FormatError, isCoded } from "../../src/errors.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import type { TarEntry } from "../../src/format/tar/entries.ts";
import { openTar, openTarEntry } from "../../src/format/tar/open.ts";
import { hash } from "../support/compare.ts";
import { cutTo, withFlipped } from "../support/damaged_reader.ts";
import { imageTest, madeFacts, output } from "../support/real_image.ts";

const TAR = "debian-arm64.tar", EROFS = "debian-arm64.erofs-lz4hc";
const IMAGE = "images/debian.erofs";

/** What Python's tarfile says of a member. */
interface Theirs {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
  readonly link: string;
  readonly sparse: boolean;
  /** Of files, and of what hard links lead to. */
  readonly sha256?: string;
}

const PYTHON = `
import tarfile, sys, json, hashlib
archive = tarfile.open(sys.argv[1], errors="surrogateescape")
kinds = {b"1": "hard-link", b"2": "symlink", b"3": "character-device", b"4": "block-device",
  b"5": "directory", b"6": "fifo"}
out = []
sums = {}
for member in archive:
    kind = kinds.get(member.type, "file")
    entry = dict(name=member.name, type=kind, size=member.size if kind == "file" else 0,
        mode=member.mode & 0o7777, mtime=int(member.mtime // 1), link=member.linkname,
        sparse=member.issparse())
    if kind == "file":
        sums.setdefault(member.name, hashlib.sha256(archive.extractfile(member).read()).hexdigest())
        entry["sha256"] = sums[member.name]
    elif kind == "hard-link" and member.linkname in sums:
        sums.setdefault(member.name, sums[member.linkname])
        entry["sha256"] = sums[member.linkname]
    out.append(entry)
json.dump(out, sys.stdout)
`;

function python(path: string): Theirs[] {
  return JSON.parse(output(["python3", "-c", PYTHON, path]));
}

/** The same rule as ours, written for itself. */
function cleaned(name: string): string {
  return name.replace(/\/(?:\.?\/)+/g, "/").replace(/^(?:\.?\/)+/, "")
    .replace(/(?:\/\.?)+$/, "") || ".";
}

async function list(image: BlockReader): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of (await openTar(image)).entries()) {
    entries.push(entry);
  }
  return entries;
}

async function compare(
  image: BlockReader,
  theirs: readonly Theirs[],
): Promise<number> {
  const tar = await openTar(image);
  const entries: TarEntry[] = [];
  for await (const entry of tar.entries()) entries.push(entry);
  assert.equal(entries.length, theirs.length);
  let files = 0;
  for (const [index, entry] of entries.entries()) {
    const member = theirs[index]!;
    const { name, type, mode, mtime, linkName = "" } = entry;
    assert.deepEqual(
      { name, type, mode, mtime, linkName },
      {
        name: cleaned(member.name),
        type: member.type,
        mode: member.mode,
        mtime: member.mtime,
        linkName: member.link,
      },
    );
    assert.equal(entry.sparse !== undefined, member.sparse);
    assert.equal(entry.problem, undefined);
    assert.equal(entry.size, member.size);
    if (member.sha256 === undefined) continue;
    assert.equal(await hash(await tar.open(entry)), member.sha256, name);
    files++;
  }
  return files;
}

for (const kind of ["gnu", "pax", "bsd"]) {
  const fixture = `odd.tar-${kind}`;
  imageTest(
    [fixture],
    ["python3"],
    `${fixture}: every entry is as Python reads it`,
    async ({ paths: [path], open }) => {
      const files = await compare(await open(path!), python(path!));
      assert.ok(files > 3700, `${files} files`);
    },
  );
}

imageTest(
  ["odd.root"],
  ["python3", "tar", "bsdtar"],
  "openTar() lists what tar and bsdtar make in every format, as Python does",
  async ({ paths: [tree], folder }) => {
    const gnu = (format: string, ...more: string[]) => (to: string) =>
      output([
        "tar",
        "--create",
        `--file=${to}`,
        `--format=${format}`,
        ...more,
      ]);
    const bsd = (format: string) => (to: string) =>
      output([
        "bsdtar",
        "--create",
        "--file",
        to,
        `--format=${format}`,
        "-C",
        tree!,
        "./sizes",
        "./links",
        "./types/sticky",
      ]);
    const some = [
      `--directory=${tree}`,
      "./sizes",
      "./links",
      "./types/sticky",
    ];
    const makers: Record<string, (to: string) => string> = {
      v7: gnu("v7", `--directory=${tree}`, "./sizes"),
      oldgnu: gnu("oldgnu", ...some),
      gnu: gnu("gnu", ...some),
      "gnu, sparse": gnu(
        "gnu",
        "--sparse",
        ...some,
        "./holes",
        "./holes-small",
      ),
      "pax, sparse": gnu(
        "posix",
        "--sparse",
        ...some,
        "./holes",
        "./holes-small",
      ),
      "pax, sparse 0.1": gnu(
        "posix",
        "--sparse",
        "--sparse-version=0.1",
        ...some,
        "./holes",
      ),
      "pax, sparse 0.0": gnu(
        "posix",
        "--sparse",
        "--sparse-version=0.0",
        ...some,
        "./holes",
      ),
      "incremental": gnu(
        "gnu",
        `--listed-incremental=${join(folder, "snapshot")}`,
        ...some,
      ),
      "labelled": gnu("gnu", "--label=volume", ...some),
      "global": gnu(
        "posix",
        "--pax-option=globexthdr.name=g,comment=for all",
        ...some,
      ),
      "bsd gnutar": bsd("gnutar"),
      "bsd pax": bsd("pax"),
    };
    for (const [name, make] of Object.entries(makers)) {
      const path = join(folder, "made.tar");
      make(path);
      const image = openMemory(readFileSync(path), { name });
      const theirs = python(path);
      if (name === "incremental") {
        // Python takes times for a part of names here, and lists of names for files
        const names = output([
          "tar",
          "--list",
          "--file",
          path,
          "--quoting-style=literal",
        ]);
        const found = await list(image);
        assert.deepEqual(
          found.map((entry) => entry.name),
          names.trimEnd().split("\n").map(cleaned),
        );
      } else if (name === "labelled") {
        const [label, ...rest] = await list(image);
        assert.equal(label!.problem?.code, "tar.unsupported-feature");
        assert.equal(rest.length, theirs.length - 1);
      } else {
        const files = await compare(image, theirs);
        assert.ok(files >= 8, `${name}: ${files} files`);
      }
    }
  },
);

imageTest(
  ["odd.root"],
  ["tar", "bsdtar"],
  "openTarEntry() reads files with holes as tar and bsdtar do, in every form",
  async ({ folder }) => {
    await mkdir(join(folder, "holes"));
    const made: Record<string, readonly number[]> = {
      disk: [1 << 20, 20 << 20, (39 << 20) + 4096],
      many: Array.from({ length: 300 }, (_, i) => i << 16),
      empty: [],
    };
    for (const [name, spots] of Object.entries(made)) {
      const file = await open(join(folder, "holes", name), "w");
      for (const spot of spots) {
        await file.write(
          new Uint8Array(5000).fill(spot % 251 + 1),
          0,
          5000,
          spot,
        );
      }
      await file.truncate(40 << 20);
      await file.close();
    }
    const gnu = ["tar", "--sparse", "--create"];
    const makers: Record<string, readonly string[]> = {
      bsdtar: ["bsdtar", "--create"],
      "old GNU": [...gnu, "--format=gnu"],
      ...Object.fromEntries(
        ["0.0", "0.1", "1.0"].map((version) => [
          `PAX ${version}`,
          [...gnu, "--format=posix", `--sparse-version=${version}`],
        ]),
      ),
    };
    for (const [form, command] of Object.entries(makers)) {
      const path = join(folder, "holes.tar");
      output([...command, "--file", path, "--directory", folder, "holes"]);
      const image = openMemory(readFileSync(path), { name: form });
      assert.ok(image.size < 4 << 20, `${form}: ${image.size} bytes`);
      for (const name of Object.keys(made)) {
        const entry = `holes/${name}`;
        const found = await hash(await openTarEntry(image, entry));
        for (const tar of ["tar", "bsdtar"]) {
          const sum = output([
            "sh",
            "-c",
            `${tar} -xOf "$0" "$1" | sha256sum`,
            path,
            entry,
          ]);
          assert.equal(found, sum.split(" ")[0], `${form}, ${name}, ${tar}`);
        }
      }
    }
  },
);

imageTest(
  [TAR, EROFS],
  [],
  `${TAR}: the entry is ${EROFS}, byte for byte, found by few reads`,
  async ({ paths: [path, erofs], open }) => {
    const image = withRecord(await open(path!));
    const entry = await openTarEntry(image, IMAGE);
    assert.ok(image.report.requests <= 2, `${image.report.requests} reads`);
    const { size, sha256 } = madeFacts(erofs!);
    assert.equal(entry.size, size);
    assert.equal(await hash(entry), sha256);
    const files = await openErofs(entry);
    assert.ok(await files.find("/usr/lib/os-release"));
    image.reset();
    const last = await openTarEntry(image, "images/packages.list");
    assert.equal(last.size, 8893);
    assert.ok(image.report.bytes < 200_000, `${image.report.bytes} bytes`);
  },
);

imageTest(
  [TAR, "odd.tar-gnu", "odd.tar-pax"],
  [],
  "tar fixtures: cut at a header or damaged in it, they give entries and then a code",
  async ({ paths, open }) => {
    for (const path of paths) {
      const image = await open(path);
      const whole = await list(image);
      const some = whole.filter((_, index) => index < 4 || index % 1201 === 0);
      for (const { headerOffset, offset, size } of some) {
        for (
          const end of [
            headerOffset,
            headerOffset + 1,
            offset - 1,
            offset,
            offset + size - 1,
          ]
        ) {
          if (end <= headerOffset && headerOffset > 0 && end !== headerOffset) {
            continue;
          }
          const found: TarEntry[] = [];
          try {
            for await (
              const entry of (await openTar(cutTo(image, end))).entries()
            ) found.push(entry);
          } catch (error) {
            assert.ok(isCoded(error, "tar.truncated"), String(error));
          }
          assert.deepEqual(found, whole.slice(0, found.length));
        }
      }
      for (const { offset, name } of some.slice(0, 6)) {
        for (
          const field of [0, 100, 108, 124, 130, 136, 148, 151, 156, 257, 345]
        ) {
          const at = offset - 512 + field;
          if (at < 0) continue;
          const damaged = withFlipped(image, at, 2);
          await assert.rejects(
            async () => await list(damaged),
            (error) =>
              error instanceof FormatError &&
              isCoded(error, "tar.checksum-mismatch", "tar.bad-magic"),
            `${name}, byte ${at}`,
          );
        }
      }
    }
  },
);
