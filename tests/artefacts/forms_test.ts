/**
 * One Debian root in every form that images come in: kernel, modules and device tree that go to the
 * phone are the same bytes.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openSource } from "../../src/adapters/cli/image_source.ts";
import type { ImageOptions } from "../../src/adapters/cli/command.ts";
import type { Output } from "../../src/adapters/cli/output.ts";
import { planParts } from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { formatChain } from "../../src/image/layers.ts";

const PROFILE = BUILTIN_PROFILES.find(({ id }) => id === "oneplus-fajita")!;
const ROOT = '#3 "root" → ext4';

/** Where an image is, and the layers that are found in it. */
interface Form {
  readonly fixture: string;
  readonly chain: string;
  readonly roots?: readonly string[];
  /** A pipeline document in place of the fixture; `IMAGE` stands for its path. */
  readonly pipeline?: string;
  /** The file system that the kernel comes from, when that is not the root. */
  readonly kernelFrom?: RegExp;
  /** Where the medium says it is another root than that of the other forms. */
  readonly deployed?: boolean;
}

const FORMS: readonly Form[] = [
  { fixture: "debian-arm64.erofs-zstd", chain: "file → erofs" },
  { fixture: "debian-arm64.ext4", chain: "file → ext4" },
  { fixture: "debian-arm64.squashfs", chain: "file → squashfs" },
  { fixture: "debian-arm64.gpt", chain: `file → GPT → ${ROOT}` },
  { fixture: "debian-arm64.gpt-4096", chain: `file → GPT → ${ROOT}` },
  {
    fixture: "debian-arm64.gpt-esp-kernel",
    chain: `file → GPT → ${ROOT}`,
    kernelFrom: /#1 "ESP"$/,
  },
  { fixture: "debian-arm64.mbr", chain: "file → MBR → #6 linux → ext4" },
  {
    fixture: "debian-arm64.sparse",
    chain: "file → Android sparse (23 chunks) → ext4",
  },
  {
    fixture: "debian-arm64.gpt.xz",
    chain: `file → xz (49 blocks) → GPT → ${ROOT}`,
  },
  { fixture: "debian-arm64.ext4.zst", chain: "file → zstd → ext4" },
  { fixture: "debian-arm64.ext4.gz", chain: "file → gzip → ext4" },
  {
    fixture: "debian-arm64.zip",
    roots: ["images/debian.ext4"],
    chain: "file → ZIP → images/debian.ext4 → ext4",
  },
  {
    fixture: "debian-arm64.zip",
    roots: ["images/debian.erofs"],
    chain: "file → ZIP → images/debian.erofs → erofs",
  },
  {
    fixture: "debian-arm64.tar",
    chain: "file → tar → images/debian.erofs → erofs",
  },
  {
    fixture: "debian-arm64.iso-debian",
    chain: "file → ISO 9660 → /live/filesystem.squashfs → squashfs",
  },
  {
    fixture: "debian-arm64.iso-casper",
    chain: "file → ISO 9660 → /casper/filesystem.squashfs → squashfs",
  },
  {
    fixture: "debian-arm64.iso-fedora",
    chain: "file → ISO 9660 → /LiveOS/squashfs.img → erofs",
  },
  {
    fixture: "debian-arm64.iso-fedora-ext4",
    chain:
      "file → ISO 9660 → /LiveOS/squashfs.img → squashfs → /LiveOS/rootfs.img → ext4",
  },
  {
    fixture: "debian-arm64.iso-arch",
    chain: "file → ISO 9660 → /arch/aarch64/airootfs.erofs → erofs",
  },
  {
    fixture: "debian-arm64.ostree-erofs",
    chain: "file → erofs",
    deployed: true,
  },
  {
    fixture: "debian-arm64.caibx",
    pipeline: "casync: { index: IMAGE, chunk_store: FOLDER/store }",
    chain: "casync → erofs",
  },
  {
    fixture: "debian-arm64.gpt.xz",
    pipeline: "gpt: { partlabel: root, xz: { file: IMAGE } }",
    chain: 'file → xz → GPT #3 "root" → ext4',
  },
];

const OUTPUT: Output = {
  result: () => Promise.resolve(),
  warn: (message) => assert.fail(message),
  terminal: false,
  version: "0",
  progress: { write: () => {}, live: true, colours: false, columns: 80 },
};

interface Parts {
  readonly kernel: string;
  readonly modules: readonly string[];
  readonly deviceTree: string;
}

/** Digests of what goes to the phone. */
async function partsOf(form: Form, image: ImageOptions): Promise<Parts> {
  const { signal } = new AbortController();
  const source = await openSource(image, OUTPUT, signal);
  try {
    assert.equal(formatChain(source.chain), form.chain);
    const others = source.others.map(({ files }) => files);
    const parts = await planParts(source.files, PROFILE, {
      others,
      // each form wants the driver of its own file system
      modules: ["erofs", "ext4", "squashfs"],
    });
    const { kernel, moduleFiles, deviceTree, ostree } = parts;
    if (form.kernelFrom === undefined) assert.equal(kernel.from, undefined);
    else assert.match(kernel.from ?? "", form.kernelFrom);
    assert.equal(ostree !== undefined, form.deployed === true);
    return {
      kernel: sha256(kernel.kernel.image),
      modules: moduleFiles.map(({ file, bytes }) => `${file} ${sha256(bytes)}`)
        .sort(),
      deviceTree: sha256(deviceTree!.bytes),
    };
  } finally {
    await source.close();
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const missing = [...new Set(FORMS.map(({ fixture }) => fixture))]
  .filter((fixture) => findFixture(fixture) === undefined);

test(
  "one root in every form gives the same kernel, modules and device tree",
  missing.length === 0 ? {} : {
    skip: `missing: deno task fixtures ${missing.join(" ")}`,
  },
  async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "fastboop-forms-"));
    const cache = process.env["FASTBOOP_CACHE"];
    process.env["FASTBOOP_CACHE"] = join(folder, "cache");
    let first: Parts | undefined;
    try {
      for (const form of FORMS) {
        const fixture = findFixture(form.fixture)!;
        let path = fixture;
        if (form.pipeline !== undefined) {
          path = join(folder, "pipeline.yaml");
          const text = form.pipeline
            .replace("IMAGE", JSON.stringify(fixture))
            .replace("FOLDER", dirname(fixture));
          writeFileSync(path, text);
        }
        await context.test(`${form.fixture}: ${form.chain}`, async () => {
          const parts = await partsOf(form, {
            path,
            roots: form.roots ?? [],
            digest: undefined,
            headers: [],
            proxy: undefined,
            spool: false,
            cache: true,
            offline: false,
          });
          first ??= parts;
          assert.deepEqual(parts, first);
          assert.ok(parts.modules.length > 10);
        });
      }
    } finally {
      if (cache === undefined) delete process.env["FASTBOOP_CACHE"];
      else process.env["FASTBOOP_CACHE"] = cache;
      rmSync(folder, { recursive: true });
    }
  },
);
