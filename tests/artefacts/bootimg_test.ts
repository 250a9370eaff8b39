import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import {
  MKBOOTIMG_TOOL,
  mkbootimgTool,
} from "../../scripts/fixtures/mkbootimg_tool.ts";
import {
  type BootImageParts,
  buildBootImage,
} from "../../src/format/bootimg/build.ts";
import type { BootImageParams } from "../../src/format/bootimg/params.ts";
import { HeaderV3 } from "../../src/format/bootimg/layout.ts";
import {
  type BootImage,
  parseBootImage,
} from "../../src/format/bootimg/parse.ts";
import {
  buildVendorBootImage,
  parseVendorBootImage,
} from "../../src/format/bootimg/vendor_boot.ts";

/** Numbers that look random and are the same in every run: mulberry32. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % below;
  };
}

const ROUNDS = 24;
const PAGES = [2048, 4096, 8192, 16384];
/** About the borders of the two fields. */
const CMDLINES = [0, 1, 510, 511, 512, 513, 1022, 1023, 1024, 1533, 1534, 1535];

function noise(next: (below: number) => number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = next(256);
  return bytes;
}

function words(next: (below: number) => number, size: number): string {
  let text = "";
  while (text.length < size) {
    text += 'quiet root=PARTUUID=1 a.b="c d" '[next(32)];
  }
  return text.slice(0, size);
}

interface Round {
  readonly version: number;
  readonly params: BootImageParams;
  readonly parts: BootImageParts & { readonly dtb: Uint8Array };
}

function* rounds(version: number): Generator<Round> {
  const next = numbers(version + 1);
  for (let round = 0; round < ROUNDS; round++) {
    const old = version < 3;
    const pageSize = old ? PAGES[round % PAGES.length]! : 4096;
    // Whole pages, one byte more or fewer, and anything.
    const size = () =>
      Math.max(
        1,
        [next(40000), pageSize * (1 + next(4)) + next(3) - 1][next(2)]!,
      );
    const length = CMDLINES[round % CMDLINES.length]!;
    const most = old ? 1534 : 1535;
    const cmdline = words(
      next,
      round < CMDLINES.length ? Math.min(length, most) : next(most + 1),
    );
    yield {
      version,
      params: {
        headerVersion: version,
        pageSize,
        ...(old
          ? {
            base: next(2) * 0x80000000,
            kernelOffset: 0x8000 * (1 + next(9)),
            ramdiskOffset: next(0x10000000),
            secondOffset: next(0x10000000),
            tagsOffset: next(0x10000),
            dtbOffset: next(0x10000000),
          }
          : {}),
      },
      parts: {
        kernel: noise(next, size()),
        ramdisk: noise(next, size()),
        ...(old && next(3) === 0 ? { second: noise(next, size()) } : {}),
        dtb: noise(next, size()),
        cmdline,
      },
    };
  }
}

/** Runs in a folder of its own, removed at the end. */
async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fastboop-bootimg-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One process for all calls of a Python script: most of its time is its start. */
const DRIVER = `
import json, runpy, sys
script = sys.argv[1]
for argv in json.load(sys.stdin):
    sys.argv = [script] + argv
    print("next")
    runpy.run_path(script, run_name="__main__")
`;

/** Calls a Python script once for each list of arguments; gives what each call printed. */
function callAll(
  script: string,
  calls: readonly (readonly string[])[],
): string[] {
  const output = execFileSync("python3", ["-c", DRIVER, script], {
    input: JSON.stringify(calls),
    encoding: "utf8",
  });
  return output.split(/^next$/m).slice(1);
}

function callOf(
  out: string,
  { params, parts, version }: Round,
): string[] {
  const args = ["--output", out, "--header_version", String(version)];
  args.push("--pagesize", String(params.pageSize));
  args.push("--base", String(params.base ?? 0));
  args.push("--cmdline", parts.cmdline ?? "");
  for (const name of ["kernel", "ramdisk", "second", "dtb"] as const) {
    const part = parts[name];
    if (part === undefined || (name === "dtb" && version !== 2)) continue;
    const path = `${out}.${name}`;
    writeFileSync(path, part);
    args.push(`--${name}`, path);
  }
  for (const name of ["kernel", "ramdisk", "second", "tags", "dtb"] as const) {
    const offset = params[`${name}Offset`];
    if (offset !== undefined) args.push(`--${name}_offset`, String(offset));
  }
  return args;
}

/** What mkbootimg makes of each round. */
function makeWith(
  script: string,
  folder: string,
  list: readonly Round[],
): Uint8Array[] {
  const outs = list.map((_, index) => join(folder, `boot-${index}.img`));
  callAll(script, list.map((round, i) => callOf(outs[i]!, round)));
  return outs.map((out) => readFileSync(out));
}

function ours({ params, parts, version }: Round) {
  const { dtb, ...rest } = parts;
  return buildBootImage(params, version === 2 ? { ...rest, dtb } : rest);
}

function assertSame(
  found: Uint8Array,
  expected: Uint8Array,
  title: string,
): void {
  assert.equal(found.length, expected.length, title);
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  assert.equal(at, -1, `${title}: differs at byte ${at}`);
}

const tool = mkbootimgTool("mkbootimg");
const unpacker = mkbootimgTool("unpack_bootimg");
const noTool = tool === undefined
  ? { skip: `missing: run deno task fixtures ${MKBOOTIMG_TOOL}` }
  : {};

function installed(program: string, args: string[], name: string) {
  return spawnSync(program, args).error === undefined
    ? {}
    : { skip: `missing: apt-get install ${name}` };
}

for (const version of [0, 1, 2, 3, 4]) {
  const list = [...rounds(version)];

  test(
    `v${version}: buildBootImage() writes what mkbootimg 34 writes`,
    noTool,
    () =>
      inFolder(async (folder) => {
        const expected = makeWith(tool!, folder, list);
        for (const [index, round] of list.entries()) {
          const { bytes } = await ours(round);
          assertSame(bytes, expected[index]!, JSON.stringify(round.params));
        }
      }),
  );

  test(
    `v${version}: unpack_bootimg 34 and parseBootImage() give the parts back`,
    noTool,
    () =>
      inFolder(async (folder) => {
        const path = (index: number) => join(folder, `boot-${index}.img`);
        for (const [index, round] of list.entries()) {
          writeFileSync(path(index), (await ours(round)).bytes);
        }
        const texts = callAll(
          unpacker!,
          list.map((
            _,
            i,
          ) => ["--boot_img", path(i), "--out", `${path(i)}.out`]),
        );
        for (const [index, round] of list.entries()) {
          const parsed = parseBootImage(readFileSync(path(index)));
          assert.equal(parsed.headerVersion, version);
          assert.equal(parsed.cmdline, round.parts.cmdline);
          for (const name of ["kernel", "ramdisk", "second", "dtb"] as const) {
            const part = name === "dtb" && version !== 2
              ? undefined
              : round.parts[name];
            if (part !== undefined) {
              const out = join(`${path(index)}.out`, name);
              assertSame(readFileSync(out), part, name);
            }
            assertSame(parsed[name], part ?? new Uint8Array(0), name);
          }
          assertFacts(texts[index]!, round, parsed);
        }
      }),
  );
}

/** That unpack_bootimg printed what we read. */
function assertFacts(text: string, round: Round, parsed: BootImage): void {
  const field = (name: string) =>
    new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1];
  const extra = field("additional command line args") ?? "";
  assert.equal(`${field("command line args")}${extra}`, round.parts.cmdline);
  const { addresses } = parsed;
  if (addresses === undefined) return;
  const { kernel, ramdisk, tags, dtb } = addresses;
  assert.equal(Number(field("kernel load address")), kernel);
  assert.equal(Number(field("ramdisk load address")), ramdisk);
  assert.equal(Number(field("kernel tags load address")), tags);
  if (round.version === 2) assert.equal(BigInt(field("dtb address")!), dtb);
}

for (const version of [3, 4]) {
  test(
    `v${version}: buildVendorBootImage() writes what mkbootimg 34 writes`,
    noTool,
    () =>
      inFolder((folder) => {
        const next = numbers(version + 100);
        const list = Array.from({ length: ROUNDS }, (_, round) => ({
          out: join(folder, `vendor-${round}.img`),
          params: {
            headerVersion: version,
            pageSize: PAGES[round % PAGES.length]!,
            base: 0x40000000 * next(3),
            kernelOffset: next(0x1000000),
            dtbOffset: next(0x1000000),
          },
          parts: {
            ramdisk: noise(next, 1 + next(20000)),
            dtb: noise(next, 1 + next(20000)),
            cmdline: words(next, next(2048)),
          },
        }));
        callAll(
          tool!,
          list.map(({ out, params, parts }) => {
            writeFileSync(`${out}.ramdisk`, parts.ramdisk);
            writeFileSync(`${out}.dtb`, parts.dtb);
            return [
              ...["--header_version", String(version)],
              ...["--pagesize", String(params.pageSize)],
              ...["--base", String(params.base)],
              ...["--kernel_offset", String(params.kernelOffset)],
              ...["--dtb_offset", String(params.dtbOffset)],
              ...["--vendor_cmdline", parts.cmdline],
              ...["--dtb", `${out}.dtb`],
              ...["--vendor_ramdisk", `${out}.ramdisk`],
              ...["--vendor_boot", out],
            ];
          }),
        );
        for (const { out, params, parts } of list) {
          const bytes = buildVendorBootImage(params, parts);
          assertSame(bytes, readFileSync(out), JSON.stringify(params));
          const parsed = parseVendorBootImage(bytes);
          assertSame(parsed.ramdisk, parts.ramdisk, "ramdisk");
          assertSame(parsed.dtb, parts.dtb, "dtb");
          assert.equal(parsed.cmdline, parts.cmdline);
          const { kernel } = parsed.addresses;
          assert.equal(kernel, params.base + params.kernelOffset);
        }
        return Promise.resolve();
      }),
  );
}

/** 29 of Debian 12 splits the command line at byte 512, without a zero: only shorter ones compare. */
for (const version of [0, 1, 2, 3]) {
  test(
    `v${version}: buildBootImage() writes what the installed mkbootimg writes`,
    installed("mkbootimg", ["--help"], "mkbootimg"),
    () =>
      inFolder(async (folder) => {
        const list = [...rounds(version)].map((round) => {
          const cmdline = (round.parts.cmdline ?? "").slice(0, 511);
          return { ...round, parts: { ...round.parts, cmdline } };
        });
        const script = execFileSync("sh", ["-c", "command -v mkbootimg"], {
          encoding: "utf8",
        }).trim();
        const expected = makeWith(script, folder, list);
        for (const [index, round] of list.entries()) {
          const theirs = expected[index]!;
          const { bytes } = await ours(round);
          // 29 states a header of 1596 bytes, which is the size of none that AOSP declares.
          const at = HeaderV3.offsets.headerSize;
          const size = new DataView(theirs.buffer, theirs.byteOffset + at, 4);
          if (version === 3 && size.getUint32(0, true) === 1596) {
            size.setUint32(0, HeaderV3.size, true);
          }
          assertSame(bytes, theirs, JSON.stringify(round.params));
        }
      }),
  );
}

test(
  "v0: abootimg takes images apart into their parts",
  installed("abootimg", ["-h"], "abootimg"),
  () =>
    inFolder(async (folder) => {
      for (const made of rounds(0)) {
        // Its extraction of second stages is broken: wrong bytes, or a crash.
        const { second: _, ...parts } = made.parts;
        const round = { ...made, parts };
        const { bytes } = await ours(round);
        const out = join(folder, "out");
        mkdirSync(out);
        writeFileSync(join(out, "boot.img"), bytes);
        execFileSync("abootimg", ["-x", "boot.img"], {
          cwd: out,
          stdio: ["ignore", "ignore", "inherit"],
        });
        const { kernel, ramdisk, cmdline = "" } = parts;
        assertSame(readFileSync(join(out, "zImage")), kernel, "kernel");
        assertSame(readFileSync(join(out, "initrd.img")), ramdisk, "ramdisk");
        const config = readFileSync(join(out, "bootimg.cfg"), "utf8");
        // It knows the first field only.
        assert.equal(
          /^cmdline = (.*)$/m.exec(config)?.[1],
          cmdline.slice(0, 511),
        );
        const address = (name: string) =>
          Number(new RegExp(`^${name} = (.*)$`, "m").exec(config)?.[1]);
        const { base = 0, kernelOffset = 0, tagsOffset = 0 } = round.params;
        assert.equal(address("kerneladdr"), base + kernelOffset);
        assert.equal(address("tagsaddr"), base + tagsOffset);
        rmSync(out, { recursive: true });
      }
    }),
);
