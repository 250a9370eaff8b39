import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withRecord } from "../../src/block/record.ts";
import { openFat } from "../../src/format/fat/open.ts";
import {
  openElToritoImage,
  readElTorito,
} from "../../src/format/iso9660/el_torito.ts";
import { openIso9660 } from "../../src/format/iso9660/open.ts";
import { hash } from "../support/compare.ts";
import { missingPrograms } from "../support/extracted.ts";

interface Live {
  readonly style: string;
  readonly label: string;
  /** Where the root lies, and the fixture that it is. */
  readonly root: string;
  readonly fixture?: string;
  readonly kernel?: string;
}

const LIVES: readonly Live[] = [
  {
    style: "debian",
    label: "d-live 13 st arm64",
    root: "/live/filesystem.squashfs",
    fixture: "debian-arm64.squashfs",
    kernel: "/live/vmlinuz",
  },
  {
    style: "fedora",
    label: "Fedora-WS-Live-42",
    root: "/LiveOS/squashfs.img",
    fixture: "debian-arm64.erofs-lz4hc",
    kernel: "/images/pxeboot/vmlinuz",
  },
  {
    style: "fedora-ext4",
    label: "Fedora-WS-Live-38",
    root: "/LiveOS/squashfs.img",
  },
  {
    style: "arch",
    label: "ARCH_202601",
    root: "/arch/aarch64/airootfs.erofs",
    fixture: "debian-arm64.erofs-zstd",
    kernel: "/arch/boot/aarch64/vmlinuz-linux",
  },
  {
    style: "casper",
    label: "Ubuntu 26.04 LTS arm64",
    root: "/casper/filesystem.squashfs",
    fixture: "debian-arm64.squashfs",
    kernel: "/casper/vmlinuz",
  },
];

for (const live of LIVES) {
  const name = `debian-arm64.iso-${live.style}`;
  const path = findFixture(name);
  const reason = path === undefined
    ? `missing: run deno task fixtures ${name}`
    : missingPrograms("xorriso");
  const skip = reason === undefined ? {} : { skip: reason };
  test(
    `${name}: root, kernel and boot image are as they were put in`,
    skip,
    async () => {
      const file = await openFile(path!);
      try {
        const source = withRecord(file);
        const files = await openIso9660(source);
        assert.ok(
          source.report.requests <= 3,
          `${source.report.requests} reads`,
        );
        assert.equal(files.source.volume.label, live.label);
        assert.deepEqual(files.source.features, [
          "rock-ridge",
          "joliet",
          "el-torito",
        ]);

        const inode = await files.stat(live.root);
        const extents = await files.source.extentsOf(inode);
        assert.deepEqual(extents, [
          { offset: lbaOf(path!, live.root) * 2048, size: inode.size },
        ]);
        assert.ok(
          source.report.requests <= 5,
          `${source.report.requests} reads`,
        );
        for (
          const [inside, fixture] of [
            [live.root, live.fixture],
            [live.kernel, "debian-arm64.kernel"],
          ] as const
        ) {
          if (inside === undefined || fixture === undefined) continue;
          const original = await openFile(findFixture(fixture)!);
          try {
            const reader = await files.open(inside);
            assert.equal(await hash(reader), await hash(original), inside);
          } finally {
            await original.close();
          }
        }

        source.reset();
        const [entry, ...others] = await readElTorito(source) ?? [];
        assert.equal(source.report.requests, 2);
        assert.equal(others.length, 0);
        assert.equal(entry!.platform, "efi");
        const efi = await openFat(openElToritoImage(file, entry!));
        assert.equal(efi.source.label, "EFI");
        assert.equal((await efi.stat("/efi/boot/bootaa64.efi")).size, 34);
      } finally {
        await file.close();
      }
    },
  );
}

/** Where a file begins, as xorriso says: in blocks of 2048 bytes. */
function lbaOf(image: string, path: string): number {
  const out = run([
    ...["xorriso", "-indev", image],
    ...["-find", path, "-exec", "report_lba", "--"],
  ]);
  return Number(out.match(/^File data lba: +0 , +(\d+)/m)![1]);
}

function run(argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(argv[0]!, argv.slice(1), {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout;
}

const XORRISO = ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3"];
const missing = missingPrograms("xorriso", "mkfs.vfat");
const skip = missing === undefined ? {} : { skip: missing };

/** Runs `use` in a folder of its own. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "iso-"));
  try {
    mkdirSync(join(folder, "tree"));
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a file of more than 4 GiB lies where xorriso says", skip, async () => {
  await inFolder(async (folder) => {
    const size = 4 * 2 ** 30 + 12345;
    const large = join(folder, "tree/large.img");
    writeFileSync(large, "");
    truncateSync(large, size);
    writeFileSync(join(folder, "tree/small"), "behind\n");
    const image = join(folder, "image.iso");
    // only the directories are kept, the rest is zeros
    const write = [...XORRISO, "-R", "-o", "-", join(folder, "tree")];
    run(["sh", "-c", `${write.join(" ")} | head -c 1M >${image}; exit 0`]);
    truncateSync(image, size + (4 << 20));
    const file = await openFile(image);
    try {
      const files = await openIso9660(file);
      const inode = await files.stat("/large.img");
      assert.equal(inode.size, size);
      const lba = lbaOf(image, "/large.img");
      assert.deepEqual(await files.source.extentsOf(inode), [
        { offset: lba * 2048, size },
      ]);
      const last = new Uint8Array(10).fill(1);
      const content = await files.open("/large.img");
      assert.equal(await content.read(size - 4, last), 4);
      assert.deepEqual([...last.subarray(0, 4)], [0, 0, 0, 0]);
    } finally {
      await file.close();
    }
  });
});

test("long names and targets, in several pieces, are whole", skip, async () => {
  await inFolder(async (folder) => {
    const names = [200, 254, 255].map((length) => "n".repeat(length));
    const targets = [
      Array(20).fill("t".repeat(50)).join("/"),
      `/${Array(4).fill("../." + "u".repeat(240)).join("/")}`,
      "v".repeat(250),
    ];
    for (const [i, name] of names.entries()) {
      writeFileSync(join(folder, "tree", name), `${i}\n`);
      symlinkSync(targets[i]!, join(folder, `tree/link-${i}`));
    }
    const image = join(folder, "image.iso");
    run([...XORRISO, "-R", "-o", image, join(folder, "tree")]);
    const file = await openFile(image);
    try {
      const files = await openIso9660(file);
      for (const [i, name] of names.entries()) {
        assert.equal((await files.stat(`/${name}`)).size, 2, name);
        assert.equal(await files.readLink(`/link-${i}`), targets[i]);
      }
    } finally {
      await file.close();
    }
  });
});

test(
  "files compressed by zisofs are listed, and refused by name",
  skip,
  async () => {
    await inFolder(async (folder) => {
      writeFileSync(
        join(folder, "tree/text"),
        "again and again\n".repeat(9999),
      );
      const image = join(folder, "image.iso");
      run([
        ...["xorriso", "-outdev", image, "-map", join(folder, "tree"), "/"],
        ...["-zisofs", "level=9", "-set_filter_r", "--zisofs", "/", "--"],
      ]);
      const file = await openFile(image);
      try {
        const files = await openIso9660(file);
        const reader = await files.open("/text");
        await assert.rejects(reader.read(0, new Uint8Array(4)), {
          code: "iso.unsupported-feature",
          message:
            /its content is compressed by zisofs, which fastboop does not read/,
        });
      } finally {
        await file.close();
      }
    });
  },
);

test(
  "an image for EFI of 32 MiB and more goes up to the end of the image",
  skip,
  async () => {
    await inFolder(async (folder) => {
      writeFileSync(join(folder, "tree/file"), "content\n");
      const efi = join(folder, "efi.img");
      writeFileSync(efi, "");
      truncateSync(efi, 40 << 20);
      run(["mkfs.vfat", "-n", "LARGE", efi]);
      const image = join(folder, "image.iso");
      run([
        ...[...XORRISO, "-R", "-append_partition", "2", "0xef", efi],
        ...["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"],
        ...["-o", image, join(folder, "tree")],
      ]);
      const file = await openFile(image);
      try {
        const [entry] = await readElTorito(file) ?? [];
        assert.equal(entry!.sizeStated, false);
        assert.ok(entry!.size >= 40 << 20);
        const files = await openFat(openElToritoImage(file, entry!));
        assert.equal(files.source.label, "LARGE");
        assert.equal(files.source.volume.size, 40 << 20);
        const start = new Uint8Array(1 << 20);
        await openElToritoImage(file, entry!).read(0, start);
        assert.deepEqual(
          start,
          new Uint8Array(readFileSync(efi).subarray(0, 1 << 20)),
        );
      } finally {
        await file.close();
      }
    });
  },
);
