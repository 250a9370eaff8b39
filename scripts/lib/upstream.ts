/**
 * Fetches the pinned upstream sources of the WASM core into a cache folder.
 *
 * They come from Debian's source packages through apt with a configuration of its own: nothing of
 * the system's apt is changed, and the mirror is the one the system uses. Where there is no apt, put
 * the tarballs named in `wasm/pinned.json` into `.cache/wasm/tarballs`.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

interface PinnedSource {
  readonly name: string;
  readonly package: string;
  readonly tarball: string;
  readonly sha256: string;
  readonly folder: string;
}

interface Pinned {
  readonly suite: string;
  readonly sources: readonly PinnedSource[];
}

/** One place in an upstream file that is changed, and why. `find` must occur exactly once. */
interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/*
 * Upstream takes a pointer of 32 bits for a machine of 32 bits. A wasm32 engine has 64-bit
 * registers, so reservoirs of 64 bits cost the same and are filled half as often. Measured on V8 with
 * Debian's arm64 kernel: zstd decodes 1.25 times as fast, LZ4 compresses 1.1 to 1.25 times as fast;
 * libdeflate gains nothing and is left alone. For zstd only the decoder is built this way
 * (FB_64BIT_CONTAINERS): its compressor keeps bits in a size_t.
 */
const EDITS: readonly Edit[] = [
  {
    // Levels 10 to 12 take minutes for a kernel and 30 KiB of code.
    file: "libdeflate-1.23/lib/deflate_compress.c",
    find: "#define SUPPORT_NEAR_OPTIMAL_PARSING	1",
    replace: "#define SUPPORT_NEAR_OPTIMAL_PARSING	0",
  },
  {
    file: "lz4-1.10.0/lib/lz4.c",
    find: "  typedef size_t reg_t;   /* 32-bits in x32 mode */",
    replace: "  typedef U64    reg_t;",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC size_t MEM_readLEST(const void* memPtr);",
    replace: `#ifdef FB_64BIT_CONTAINERS
typedef U64 FB_container;
#define FB_CONTAINER_SIZE 8
#else
typedef size_t FB_container;
#define FB_CONTAINER_SIZE sizeof(size_t)
#endif
MEM_STATIC FB_container MEM_readLEST(const void* memPtr);`,
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC void MEM_writeLEST(void* memPtr, size_t val);",
    replace: "MEM_STATIC void MEM_writeLEST(void* memPtr, FB_container val);",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find:
      "MEM_STATIC unsigned MEM_32bits(void) { return sizeof(size_t)==4; }\nMEM_STATIC unsigned MEM_64bits(void) { return sizeof(size_t)==8; }",
    replace:
      "MEM_STATIC unsigned MEM_32bits(void) { return FB_CONTAINER_SIZE==4; }\nMEM_STATIC unsigned MEM_64bits(void) { return FB_CONTAINER_SIZE==8; }",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: `MEM_STATIC size_t MEM_readLEST(const void* memPtr)
{
    if (MEM_32bits())
        return (size_t)MEM_readLE32(memPtr);
    else
        return (size_t)MEM_readLE64(memPtr);
}`,
    replace: `MEM_STATIC FB_container MEM_readLEST(const void* memPtr)
{
    if (MEM_32bits())
        return (FB_container)MEM_readLE32(memPtr);
    else
        return (FB_container)MEM_readLE64(memPtr);
}`,
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC void MEM_writeLEST(void* memPtr, size_t val)\n{",
    replace: "MEM_STATIC void MEM_writeLEST(void* memPtr, FB_container val)\n{",
  },
  {
    file: "zstd-1.5.7/lib/common/bitstream.h",
    find: "typedef size_t BitContainerType;",
    replace: "typedef FB_container BitContainerType;",
  },
  {
    file: "zstd-1.5.7/lib/common/bitstream.h",
    find:
      "MEM_STATIC size_t BIT_readBitsFast(BIT_DStream_t* bitD, unsigned nbBits);",
    replace:
      "MEM_STATIC BitContainerType BIT_readBitsFast(BIT_DStream_t* bitD, unsigned nbBits);",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "static size_t HUF_initFastDStream(BYTE const* ip) {",
    replace: "static U64 HUF_initFastDStream(BYTE const* ip) {",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "    size_t const value = MEM_readLEST(ip) | 1;",
    replace: "    U64 const value = MEM_readLEST(ip) | 1;",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "    bit->limitPtr = bit->start + sizeof(size_t);",
    replace: "    bit->limitPtr = bit->start + sizeof(bit->bitContainer);",
  },
  // Work that grows with the input is paid for, see wasm/src/fdt_work.h.
  {
    file: "dtc-1.7.2/libfdt/fdt.c",
    find: "	if (offset < 0)\n		return NULL;\n",
    replace: "	if (offset < 0 || fb_fdt_spend(1))\n		return NULL;\n",
  },
  {
    file: "dtc-1.7.2/libfdt/fdt.c",
    find: "	for (p = strtab; p <= last; p++)",
    replace: "	fb_fdt_spend(tabsize);\n	for (p = strtab; p <= last; p++)",
  },
  {
    file: "dtc-1.7.2/libfdt/fdt_ro.c",
    find: "		*lenp = n - s;\n	return s;\n\nfail:",
    replace: "		*lenp = n - s;\n	fb_fdt_spend(n - s);\n	return s;\n\nfail:",
  },
  {
    // Engines move 16 bytes at a time or more.
    file: "dtc-1.7.2/libfdt/fdt_rw.c",
    find: "		return -FDT_ERR_NOSPACE;\n	memmove(p",
    replace:
      "		return -FDT_ERR_NOSPACE;\n	fb_fdt_spend(dsize / 16);\n	memmove(p",
  },
];

async function digest(path: string): Promise<string> {
  return createHash("sha256").update(await readFile(path)).digest("hex");
}

/**
 * Leaves every pinned source unpacked and edited in `cache/sources`. Does nothing when it is there.
 *
 * @param root Folder of the repository.
 * @param cache Folder for tarballs and sources.
 * @throws {Error} when a tarball cannot be had or its SHA-256 is not the one pinned.
 */
export async function fetchSources(root: string, cache: string): Promise<void> {
  const list = await readFile(join(root, "wasm/pinned.json"), "utf8");
  const pinned = JSON.parse(list) as Pinned;
  const sources = join(cache, "sources");
  const key = createHash("sha256").update(list).update(JSON.stringify(EDITS))
    .digest("hex");
  const stamp = join(sources, "stamp");
  if (await readFile(stamp, "utf8").catch(() => "") === key) return;

  const tarballs = join(cache, "tarballs");
  await mkdir(tarballs, { recursive: true });
  const missing = pinned.sources.filter((source) =>
    !existsSync(join(tarballs, source.tarball))
  );
  if (missing.length > 0) {
    await download(cache, tarballs, pinned.suite, missing);
  }

  const fresh = `${sources}.${process.pid}`;
  await mkdir(fresh, { recursive: true });
  for (const source of pinned.sources) {
    const path = join(tarballs, source.tarball);
    const found = await digest(path);
    if (found !== source.sha256) {
      await rm(path);
      throw new Error(
        `Cannot use "${source.tarball}": SHA-256 is ${found}, expected ${source.sha256}`,
      );
    }
    await run("tar", ["-xf", path, "-C", fresh, "--no-same-owner"]);
  }
  for (const edit of EDITS) await apply(join(fresh, edit.file), edit);
  await writeFile(join(fresh, "stamp"), key);
  await rm(sources, { recursive: true, force: true });
  await rename(fresh, sources);
}

async function apply(path: string, edit: Edit): Promise<void> {
  const text = await readFile(path, "utf8");
  const parts = text.split(edit.find);
  if (parts.length !== 2) {
    throw new Error(
      `Cannot edit "${edit.file}": found ${
        parts.length - 1
      } places of "${edit.find}", expected 1`,
    );
  }
  await writeFile(path, parts.join(edit.replace));
}

async function download(
  cache: string,
  tarballs: string,
  suite: string,
  sources: readonly PinnedSource[],
): Promise<void> {
  const { stdout } = await run("apt-get", [
    "indextargets",
    "--format",
    "$(REPO_URI)",
    "Identifier: Packages",
    "Origin: Debian",
    "Label: Debian",
  ]);
  const mirror = stdout.split("\n")[0];
  if (!mirror) {
    throw new Error(
      `Cannot download upstream sources: apt knows no Debian mirror, expected one; put ${
        sources.map((source) => source.tarball).join(", ")
      } into .cache/wasm/tarballs`,
    );
  }
  const apt = join(cache, "apt");
  await mkdir(join(apt, "lists/partial"), { recursive: true });
  await mkdir(join(apt, "cache/archives/partial"), { recursive: true });
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const options = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
  await writeFile(
    join(apt, "sources.list"),
    `deb-src ${options}${mirror} ${suite} main\n`,
  );
  await writeFile(
    join(apt, "apt.conf"),
    [
      `Dir::Etc::sourcelist "${apt}/sources.list";`,
      `Dir::Etc::sourceparts "-";`,
      `Dir::State::lists "${apt}/lists";`,
      `Dir::Cache "${apt}/cache";`,
      `Debug::NoLocking "true";`,
      `APT::Sandbox::User "";`,
      "",
    ].join("\n"),
  );
  const env = { ...process.env, APT_CONFIG: join(apt, "apt.conf") };
  await run("apt-get", ["-q", "update"], { env });
  await run(
    "apt-get",
    [
      "-q",
      "source",
      "--download-only",
      "--tar-only",
      // Else an installed binary package of that name asks for its own version.
      "--only-source",
      ...sources.map((source) => source.package),
    ],
    { env, cwd: tarballs },
  );
}
