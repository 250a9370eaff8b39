import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { isRoot } from "../../scripts/lib/packages.ts";
import { isCoded } from "../../src/errors.ts";
import { type CpioMember, readCpio } from "../../src/format/cpio/read.ts";
import { type CpioEntry, packCpio } from "../../src/wasm/codecs.ts";

const MAX = { maxSize: 1 << 30 };
const ENV = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  TZ: "UTC",
};

function missing(...programs: readonly [string, string][]) {
  for (const [program, name] of programs) {
    if (spawnSync(program, ["--version"]).error !== undefined) {
      return { skip: `missing: apt-get install ${name}` };
    }
  }
  return isRoot()
    ? {}
    : { skip: "devices and owners: only root can make them" };
}

const BOTH = missing(["cpio", "cpio"], ["bsdcpio", "libarchive-tools"]);
const COMPRESSORS = missing(
  ["cpio", "cpio"],
  ["xz", "xz-utils"],
  ["zstd", "zstd"],
  ["lz4", "lz4"],
  ["gzip", "gzip"],
);

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fastboop-cpio-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function shell(cwd: string, script: string, input?: Uint8Array): Uint8Array {
  return execFileSync("sh", ["-euc", script], {
    cwd,
    env: ENV,
    maxBuffer: 1 << 30,
    ...(input === undefined ? {} : { input }),
  });
}

/** Every kind of file, in a folder `tree`. */
const MAKE_TREE = `
mkdir tree && cd tree
mkdir -p a/b/empty "sp ace" && chmod 711 a && chmod 1777 a/b/empty
printf 'hello\\n' >a/file && chown 12:34 a/file && chmod 4755 a/file
: >a/nothing && chmod 0 a/nothing
ln a/file a/b/second && ln a/file third
ln -s ../file a/b/link && ln -s /no/where dangling && chown -h 5:6 dangling
mknod null c 1 3 && mknod disk b 259 300000 && chmod 640 disk
mkfifo pipe
head -c 100001 /dev/urandom >large
printf x >"$(printf 'gr\\303\\274n \\377')" && printf y >"sp ace/-dash"
find . -exec touch -h -d @1234567890 {} +
touch -d @2147483648 large
`;

/** Facts of a tree as find sees them: type, mode, owner, links, size, time, target, path. */
const LIST_TREE = `find . -printf '%y %m %U:%G %s %T@ %l %p\\n' | sed -E '
/^d/ s/^(d [0-9]+ [0-9:]+) [0-9]+/\\1 -/; s/\\.0000000000 / /' | LC_ALL=C sort -k 6
find . -type b -o -type c | LC_ALL=C sort | xargs stat --printf '%t:%T %n\\n'
find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`;

const decoder = new TextDecoder();
const text = (bytes: Uint8Array) => decoder.decode(bytes);
const links = (folder: string) =>
  text(shell(folder, "find . -type f -printf '%n %p\\n' | LC_ALL=C sort"));

/** Facts of a tree, without those that a program does not extract. */
function list(folder: string, program: string): string {
  const whole = text(shell(folder, LIST_TREE));
  // GNU cpio leaves the times of folders with something in them, and of links, as they come.
  return program === "cpio"
    ? whole.replace(/^([dl] [^ ]+ [^ ]+ [^ ]+) [^ ]+/gm, "$1")
    : whole.replace(/^(d .*) [^ ]+ {2}\.$/m, "$1"); // nor bsdcpio that of the root
}

/** An archive's entries as another archive's reader would see them: without what is ours. */
function facts(members: readonly CpioMember[]) {
  return members.map(({ offset: _, ...member }) =>
    member.type === "file" ? { ...member, data: member.data.length } : member
  );
}

const WRITERS: readonly (readonly [string, string])[] = [
  ["cpio newc", "find . | LC_ALL=C sort | cpio -o -H newc --quiet"],
  ["cpio crc", "find . | LC_ALL=C sort | cpio -o -H crc --quiet"],
  ["bsdcpio newc", "find . | LC_ALL=C sort | bsdcpio -o -H newc --quiet"],
];

for (const [name, script] of WRITERS) {
  test(
    `readCpio() reads archives of ${name}; packed again, cpio and bsdcpio extract the same tree`,
    BOTH,
    () =>
      inFolder(async (folder) => {
        shell(folder, MAKE_TREE);
        const tree = join(folder, "tree");
        const archive = shell(tree, script);
        const members = await readCpio(archive, MAX);
        const names = text(shell(tree, "find . | LC_ALL=C sort"))
          .trimEnd().split("\n").length;
        assert.equal(members.length, names);
        const linked = members.filter(({ linkGroup }) => linkGroup === 0);
        assert.deepEqual(
          linked.map(({ path }) => path).sort(),
          ["a/b/second", "a/file", "third"],
        );
        for (const member of linked) {
          assert.ok(member.type === "file");
          assert.equal(text(member.data), "hello\n");
        }
        const again = await packCpio(members);
        assert.deepEqual(
          facts(await readCpio(again, MAX)),
          facts(members),
        );
        for (const program of ["cpio", "bsdcpio"]) {
          const out = join(folder, program);
          mkdirSync(out);
          shell(out, `${program} -idm --quiet`, again);
          assert.equal(list(out, program), list(tree, program), program);
          assert.equal(links(out), links(tree), program);
        }
        // Both programs list what we packed as they list their own, but for the link counts of
        // directories, which we do not know, and for which of several names has the size.
        const plain = (list: string) =>
          list.trimEnd().split("\n")
            .filter((line) => !/a\/b\/second|a\/file|third/.test(line))
            .map((line) => line.replace(/^(d[^ ]+ +)\d+/, "$1"))
            .map((line) => line.replace(/ \.\/(?=[^/]*)/, " "));
        for (const program of ["cpio", "bsdcpio"]) {
          const ours = text(shell(tree, `${program} -itvn --quiet`, again));
          const theirs = text(shell(tree, `${program} -itvn --quiet`, archive));
          assert.deepEqual(plain(ours), plain(theirs), program);
        }
      }),
  );
}

for (
  const [name, format] of [["odc", "odc"], ["bin", "bin"], ["hpbin", "hpbin"]]
) {
  test(
    `readCpio() refuses the format ${name} by name`,
    BOTH,
    () =>
      inFolder(async (folder) => {
        const archive = shell(folder, `echo . | cpio -o -H ${format} --quiet`);
        await assert.rejects(
          readCpio(archive, MAX),
          (error) => isCoded(error, "cpio.old-format"),
        );
      }),
  );
}

for (
  const packer of [
    "gzip -c",
    "gzip -9nc",
    "xz -c",
    "xz -c --check=crc32 --lzma2=dict=1MiB",
    "xz -c -T2 --block-size=65536",
    "zstd -qc",
    "zstd -qc -19 --no-check",
    "lz4 -qc",
    "lz4 -qc -BD -B4 --no-frame-crc",
    "lz4 -qc -BX --content-size",
    "lz4 -qc -l",
  ]
) {
  test(
    `readCpio() reads what ${packer} packs, alone and among others`,
    COMPRESSORS,
    () =>
      inFolder(async (folder) => {
        shell(folder, MAKE_TREE);
        const tree = join(folder, "tree");
        const archive = shell(tree, "find . | cpio -o -H newc --quiet");
        const packed = shell(folder, packer, archive);
        const plain = facts(await readCpio(archive, MAX));
        assert.deepEqual(facts(await readCpio(packed, MAX)), plain);
        const gzipped = shell(folder, "gzip -c", archive);
        const aligned = align([archive, packed, gzipped, packed, archive]);
        const paths = (await readCpio(aligned, MAX)).map(({ path }) => path);
        const once = plain.map(({ path }) => path);
        assert.deepEqual(paths, [...once, ...once, ...once, ...once, ...once]);
        for (let size = 1; size < packed.length; size += 9973) {
          await assert.rejects(
            readCpio(packed.subarray(0, size), MAX),
            (error) => isCoded(error),
          );
        }
      }),
  );
}

/** Parts one after the other, a plain archive at a multiple of 4 as Linux wants it. */
function align(parts: readonly Uint8Array[]): Uint8Array {
  const sizes = parts.map((part, i) => {
    const plain = parts[i + 1]?.[0] === 0x30;
    return plain ? Math.ceil(part.length / 4) * 4 + 4 : part.length;
  });
  // Of the parts before, for the next plain one's place.
  let at = 0;
  const starts = parts.map((part, i) => {
    if (part[0] === 0x30) at = Math.ceil(at / 4) * 4;
    const start = at;
    at += sizes[i]!;
    return start;
  });
  const whole = new Uint8Array(at);
  parts.forEach((part, i) => whole.set(part, starts[i]!));
  return whole;
}

const PART = findFixture("debian-arm64.part");

test(
  "packCpio() archives modules that cpio and bsdcpio list and extract identically",
  PART === undefined
    ? { skip: "missing: run deno task fixtures debian-arm64.part" }
    : BOTH,
  () =>
    inFolder(async (folder) => {
      const entries: CpioEntry[] = [];
      const walk = (path: string) => {
        const full = join(PART!, "usr/lib/modules", path);
        const list = readdirSync(full, { withFileTypes: true });
        for (const item of list.sort((a, b) => a.name < b.name ? -1 : 1)) {
          const name = path === "" ? item.name : `${path}/${item.name}`;
          if (item.isDirectory()) {
            entries.push({ path: name, type: "dir" });
            walk(name);
          } else if (item.isFile()) {
            const data = readFileSync(join(full, item.name));
            entries.push({ path: name, type: "file", data });
          }
        }
      };
      walk("");
      const archive = await packCpio(entries);
      assert.ok(entries.length > 100 && archive.length > 1 << 20);
      const names = entries.map(({ path }) => path).join("\n");
      for (const program of ["cpio", "bsdcpio"]) {
        const list = text(shell(folder, `${program} -it --quiet`, archive));
        assert.equal(list.trimEnd(), names, program);
        const out = join(folder, program);
        mkdirSync(out);
        shell(out, `${program} -id --quiet`, archive);
      }
      shell(folder, "diff -r cpio bsdcpio");
      shell(folder, `diff -r --no-dereference cpio "${PART}/usr/lib/modules"`);
    }),
);
