/**
 * Builds the WASM core: `wasm/` and the pinned upstream libraries, into `src/wasm/core_bytes.ts`.
 *
 * Needs the Debian packages `clang-19` and `lld-19`. The same inputs give the same bytes: sources are
 * pinned by SHA-256, compiled in a fixed order with relative paths, and nothing carries a time.
 * Only who changes C needs any of this; the generated file is committed.
 *
 * @module
 */
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import {
  CLANG_PACKAGES,
  clangVersion,
  compileAll,
  hashFiles,
  type Job,
  listFiles,
  ROOT,
  runTool,
  sha256,
} from "./lib/objects.ts";
import { ensurePackages } from "./lib/packages.ts";
import { fetchSources } from "./lib/upstream.ts";
import { WASM_EDITS } from "./lib/wasm_edits.ts";

const OUTPUT = "src/wasm/core_bytes.ts";
const CACHE = ".cache/wasm";
const LINKER = "wasm-ld-19";
/** Kept in step with FB_MEMORY_LIMIT in wasm/fastboop.h: the linker refuses when it is not. */
const MEMORY_LIMIT = 1 << 30;
/** zstd keeps tables of up to 12 KiB on the stack, libdeflate less; --stack-first traps overflow. */
const STACK_SIZE = 256 << 10;
const MAX_MODULE_SIZE = 450 << 10;

const TARGET = [
  "--target=wasm32",
  "-std=gnu17",
  "-nostdlibinc",
  "-isystem",
  "wasm/libc/include",
  "-DNDEBUG",
  "-msimd128",
  "-mno-bulk-memory", // see wasm/libc/memory.c
  "-mno-multivalue",
  "-mno-reference-types",
  "-fvisibility=hidden",
  "-fno-strict-aliasing",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-ident",
  "-ffile-prefix-map=" + ROOT + "=",
];

const STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion"];

/** Sources compiled alike. Paths are below `folder`; upstream folders are below the cache. */
interface Group {
  readonly folder: string;
  readonly upstream: boolean;
  readonly files: readonly string[];
  readonly flags: readonly string[];
}

const XZ = "xz-5.8.1/src/liblzma";
const ZSTD = "zstd-1.5.7/lib";

const INCLUDES = [
  "libdeflate-1.23",
  "lz4-1.10.0/lib",
  ZSTD,
  `${XZ}/api`,
  "zlib-1.3.1",
  "dtc-1.7.2/libfdt",
  "bzip2-1.0.8",
].flatMap((path) => ["-isystem", `${CACHE}/sources/${path}`]);

const BCJ = [
  "X86",
  "POWERPC",
  "IA64",
  "ARM",
  "ARMTHUMB",
  "ARM64",
  "SPARC",
  "RISCV",
];

const LZMA_FLAGS = [
  "-O2",
  "-DHAVE_INTTYPES_H",
  "-DHAVE_STDINT_H",
  "-DHAVE_STDBOOL_H",
  "-DHAVE__BOOL",
  "-DHAVE_VISIBILITY=1",
  "-DSIZEOF_SIZE_T=4",
  "-DTUKLIB_SYMBOL_PREFIX=lzma_",
  "-DTUKLIB_FAST_UNALIGNED_ACCESS",
  "-DHAVE_CHECK_CRC32",
  "-DHAVE_CHECK_CRC64",
  "-DHAVE_CHECK_SHA256",
  "-DHAVE_DECODERS",
  "-DHAVE_DECODER_LZMA1",
  "-DHAVE_DECODER_LZMA2",
  "-DHAVE_DECODER_DELTA",
  ...BCJ.map((name) => `-DHAVE_DECODER_${name}`),
  ...["api", "common", "check", "lz", "lzma", "rangecoder", "simple", "delta"]
    .map((name) => `-I${CACHE}/sources/${XZ}/${name}`),
  `-I${CACHE}/sources/xz-5.8.1/src/common`,
];

const LZ4_FLAGS = [
  "-DLZ4_FAST_DEC_LOOP=1",
  "-DLZ4_FORCE_MEMORY_ACCESS=1",
  "-DXXH_NAMESPACE=LZ4_",
];

const ZSTD_FLAGS = [
  "-DZSTD_DISABLE_ASM=1",
  "-DZSTD_LEGACY_SUPPORT=0",
  "-DZSTD_NO_TRACE",
  "-DZSTD_TRACE=0",
  "-DDEBUGLEVEL=0",
  "-DXXH_NAMESPACE=ZSTD_",
  "-DMEM_FORCE_MEMORY_ACCESS=1",
  "-DZSTD_STRIP_ERROR_STRINGS=1",
  "-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT", // the long form lives on prefetching, which wasm lacks
];

/** The fast strategy suffices to send a kernel; the slower ones are 150 KiB of code. */
const ZSTD_COMPRESS_FLAGS = [
  ...ZSTD_FLAGS,
  "-Os",
  ...["DFAST", "GREEDY", "LAZY", "LAZY2", "BTLAZY2", "BTOPT", "BTULTRA"]
    .map((name) => `-DZSTD_EXCLUDE_${name}_BLOCK_COMPRESSOR`),
];

async function groups(): Promise<Group[]> {
  const own = (await readdir(join(ROOT, "wasm/src")))
    .filter((name) => name.endsWith(".c")).sort();
  return [
    {
      folder: "wasm/libc",
      upstream: false,
      files: ["memory.c"],
      flags: [...STRICT, "-O2", "-fno-builtin", "-mbulk-memory"],
    },
    {
      folder: "wasm/libc",
      upstream: false,
      files: ["malloc.c", "text.c"],
      flags: [...STRICT, "-O2"],
    },
    {
      folder: "wasm/src",
      upstream: false,
      files: own,
      flags: [
        ...STRICT,
        "-O2",
        "-DZ_SOLO",
        "-DBZ_NO_STDIO",
        ...INCLUDES,
        "-Iwasm",
      ],
    },
    {
      folder: "libdeflate-1.23/lib",
      upstream: true,
      files: [
        "adler32.c",
        "crc32.c",
        "deflate_compress.c",
        "deflate_decompress.c",
        "gzip_compress.c",
        "utils.c",
        "zlib_compress.c",
      ],
      flags: ["-O2"],
    },
    {
      folder: "lz4-1.10.0/lib",
      upstream: true,
      files: ["lz4.c", "xxhash.c"],
      flags: ["-O3", ...LZ4_FLAGS],
    },
    {
      folder: "lz4-1.10.0/lib",
      upstream: true,
      files: ["lz4frame.c", "lz4hc.c"],
      flags: ["-Os", ...LZ4_FLAGS],
    },
    {
      folder: ZSTD,
      upstream: true,
      files: [
        "common/entropy_common.c",
        "common/fse_decompress.c",
        "decompress/huf_decompress.c",
        "decompress/zstd_ddict.c",
        "decompress/zstd_decompress.c",
        "decompress/zstd_decompress_block.c",
      ],
      flags: [
        ...ZSTD_FLAGS,
        "-O3",
        "-DFB_64BIT_CONTAINERS",
        // One symbol at a time: no slower here than two, and 18 KiB less.
        "-DHUF_FORCE_DECOMPRESS_X1",
      ],
    },
    {
      folder: ZSTD,
      upstream: true,
      files: [
        "common/debug.c",
        "common/error_private.c",
        "common/xxhash.c",
        "common/zstd_common.c",
        "compress/fse_compress.c",
        "compress/hist.c",
        "compress/huf_compress.c",
        "compress/zstd_compress.c",
        "compress/zstd_compress_literals.c",
        "compress/zstd_compress_sequences.c",
        "compress/zstd_compress_superblock.c",
        "compress/zstd_double_fast.c",
        "compress/zstd_fast.c",
        "compress/zstd_lazy.c",
        "compress/zstd_ldm.c",
        "compress/zstd_opt.c",
        "compress/zstd_preSplit.c",
      ],
      flags: ZSTD_COMPRESS_FLAGS,
    },
    {
      folder: XZ,
      upstream: true,
      files: [
        "check/check.c",
        "check/crc32_fast.c",
        "check/crc64_fast.c",
        "check/sha256.c",
        "common/alone_decoder.c",
        "common/block_decoder.c",
        "common/block_header_decoder.c",
        "common/block_util.c",
        "common/common.c",
        "common/filter_common.c",
        "common/filter_decoder.c",
        "common/filter_flags_decoder.c",
        "common/index.c",
        "common/index_decoder.c",
        "common/index_hash.c",
        "common/microlzma_decoder.c",
        "common/stream_decoder.c",
        "common/stream_flags_common.c",
        "common/stream_flags_decoder.c",
        "common/vli_decoder.c",
        "common/vli_size.c",
        "delta/delta_common.c",
        "delta/delta_decoder.c",
        "lz/lz_decoder.c",
        "lzma/lzma2_decoder.c",
        "lzma/lzma_decoder.c",
        "simple/arm.c",
        "simple/arm64.c",
        "simple/armthumb.c",
        "simple/ia64.c",
        "simple/powerpc.c",
        "simple/riscv.c",
        "simple/simple_coder.c",
        "simple/simple_decoder.c",
        "simple/sparc.c",
        "simple/x86.c",
      ],
      flags: LZMA_FLAGS,
    },
    {
      folder: "zlib-1.3.1",
      upstream: true,
      files: ["inffast.c", "inflate.c", "inftrees.c"],
      flags: ["-O3", "-DZ_SOLO", "-DNO_GZIP"],
    },
    {
      folder: "bzip2-1.0.8",
      upstream: true,
      files: [
        "bzlib.c",
        "crctable.c",
        "decompress.c",
        "huffman.c",
        "randtable.c",
      ],
      flags: ["-Os", "-DBZ_NO_STDIO"],
    },
    {
      folder: "dtc-1.7.2/libfdt",
      upstream: true,
      files: [
        "fdt.c",
        "fdt_check.c",
        "fdt_overlay.c",
        "fdt_ro.c",
        "fdt_rw.c",
        "fdt_wip.c",
      ],
      flags: [
        "-O2",
        `-I${CACHE}/sources/dtc-1.7.2/libfdt`,
        "-include",
        "wasm/src/fdt_work.h",
      ],
    },
  ];
}

/** What was built, and what it was built from. */
export interface Built {
  readonly module: Uint8Array;
  /** Whole text of the generated file. */
  readonly text: string;
}

/** SHA-256 over the names and bytes of everything that decides what the module becomes. */
export async function sourceHash(): Promise<string> {
  return await hashFiles([
    ...(await listFiles("wasm")).filter((path) => /\.(c|h|json)$/.test(path)),
    "scripts/build_wasm.ts",
    "scripts/lib/objects.ts",
    "scripts/lib/upstream.ts",
    "scripts/lib/wasm_edits.ts",
  ]);
}

/** Whether the generated module was built from the sources as they are now. */
export interface Stamp {
  readonly fresh: boolean;
  readonly expected: string;
  /** Undefined when there is no generated module. */
  readonly found: string | undefined;
}

/** Compares the hash inside the generated module with the sources. Needs no compiler; takes 10 ms. */
export async function checkStamp(): Promise<Stamp> {
  const expected = await sourceHash();
  const text = await readFile(join(ROOT, OUTPUT), "utf8").catch(() => "");
  const found = /SOURCE_HASH =\s*"([0-9a-f]{64})"/.exec(text)?.[1];
  return { fresh: found === expected, expected, found };
}

/** Compiles and links everything. Objects are kept in the cache and reused when nothing changed. */
export async function buildWasm(): Promise<Built> {
  ensurePackages(CLANG_PACKAGES);
  await fetchSources({
    pinned: join(ROOT, "wasm/pinned.json"),
    cache: join(ROOT, CACHE),
    edits: WASM_EDITS,
  });
  const headers = (await listFiles("wasm"))
    .filter((path) => /\.(h|json)$/.test(path));
  const objects = await compileAll(
    (await groups()).flatMap(jobsOf),
    `${CACHE}/objects`,
    await clangVersion() + JSON.stringify(WASM_EDITS) +
      await hashFiles(headers),
  );

  const linked = join(CACHE, `core-${process.pid}.wasm`);
  await runTool(LINKER, [
    "--no-entry",
    "--gc-sections",
    "--strip-all",
    "--stack-first",
    "-z",
    `stack-size=${STACK_SIZE}`,
    `--max-memory=${MEMORY_LIMIT}`,
    "-O2",
    "--fatal-warnings",
    `-Map=${CACHE}/core.map`, // what takes how much room
    "-o",
    linked,
    ...objects,
  ]);
  const module = new Uint8Array(await readFile(join(ROOT, linked)));
  await rm(join(ROOT, linked));
  if (module.length > MAX_MODULE_SIZE) {
    throw new RangeError(
      `Cannot use the module built: ${module.length} bytes, expected at most ${MAX_MODULE_SIZE}`,
    );
  }
  return { module, text: await render(module) };
}

function jobsOf({ upstream, folder, files, flags }: Group): Job[] {
  const from = upstream ? `${CACHE}/sources/${folder}` : folder;
  return files.map((file) => ({
    source: `${from}/${file}`,
    flags: [...TARGET, ...flags, ...(upstream ? ["-w"] : [])],
  }));
}

async function render(module: Uint8Array): Promise<string> {
  return `// Generated by scripts/build_wasm.ts; do not edit. To make it again: deno task build

/** SHA-256 over the sources this module was built from. */
export const SOURCE_HASH =
  "${await sourceHash()}";

/** SHA-256 of the module. */
export const MODULE_SHA256 =
  "${sha256(module)}";

/** Bytes of the module. */
export const MODULE_SIZE = ${module.length};

/** The module in base64. */
export const MODULE_BASE64 =
  "${Buffer.from(module).toString("base64")}";
`;
}

/** Builds and writes the generated file; tells what came of it in one line. */
export async function writeWasm(): Promise<string> {
  const { module, text } = await buildWasm();
  await mkdir(join(ROOT, "src/wasm"), { recursive: true });
  const fresh = join(ROOT, `${OUTPUT}.${process.pid}`);
  await writeFile(fresh, text);
  await rename(fresh, join(ROOT, OUTPUT));
  return `${OUTPUT}: module of ${module.length} bytes, SHA-256 ${
    sha256(module)
  }`;
}

/** Builds and compares with the generated file, which stays as it is. */
export async function compareWasm(): Promise<boolean> {
  const { text } = await buildWasm();
  return text === await readFile(join(ROOT, OUTPUT), "utf8").catch(() => "");
}
