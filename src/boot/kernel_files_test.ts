import assert from "node:assert/strict";
import test from "node:test";
import {
  MADE_RELEASE,
  madeBzImage,
  madeImage,
} from "../../tests/support/made_kernel.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { MemorySource } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import { inspectImage } from "../image/inspect.ts";
import { gzip } from "../wasm/codecs.ts";
import { chooseKernel } from "./kernel_files.ts";

/** An image that says to be of another release, of the same length or shorter. */
function imageOf(release: string): Uint8Array {
  const image = madeImage();
  const text = `Linux version ${release} (builder@example) #1 SMP\n`;
  image.fill(0, 0x9001, 0x9101);
  image.set(new TextEncoder().encode(text), 0x9001);
  return image;
}

/** Files by path; an empty one is a folder, a text that begins with `->` a link. */
function tree(paths: Record<string, string | Uint8Array>): FileSystem {
  return withPaths(MemorySource.from(
    Object.entries(paths).map(([path, content]) =>
      content === ""
        ? { path, type: "directory" as const }
        : typeof content === "string" && content.startsWith("->")
        ? { path, type: "symlink" as const, target: content.slice(2) }
        : { path, type: "file" as const, content }
    ),
  ));
}

test("chooseKernel() takes the newest of Debian's kernels through its links", async () => {
  const files = tree({
    "/lib": "->usr/lib",
    "/vmlinuz": "->boot/vmlinuz-6.10.2-arm64",
    "/vmlinuz.old": "->boot/vmlinuz-6.9.9-arm64",
    "/boot/vmlinuz-6.9.9-arm64": imageOf("6.9.9-arm64"),
    "/boot/vmlinuz-6.10.2-arm64": imageOf("6.10.2-arm64"),
    "/boot/initrd.img-6.10.2-arm64": "x",
    "/boot/config-6.10.2-arm64": "x",
    "/usr/lib/modules/6.9.9-arm64": "",
    "/usr/lib/modules/6.10.2-arm64": "",
  });
  const kernel = await chooseKernel(files);
  assert.equal(kernel.path, "/boot/vmlinuz-6.10.2-arm64");
  assert.equal(kernel.release, "6.10.2-arm64");
  assert.equal(kernel.modules, "/usr/lib/modules/6.10.2-arm64");
  assert.equal(kernel.origin, "boot");
  assert.equal(kernel.fileSize, madeImage().length);
});

test("chooseKernel() prefers the kernel beside its modules, and skips rescue kernels", async () => {
  const files = tree({
    "/usr/lib/modules/6.11.1/vmlinuz": imageOf("6.11.1"),
    "/usr/lib/modules/6.99.0-rescue/vmlinuz": "x",
    "/boot/vmlinuz-6.11.1": "not read",
    "/boot/vmlinuz-0-rescue-0123456789abcdef": "not read",
    "/boot/.vmlinuz-6.11.1.hmac": "not read",
    "/boot/vmlinuz-6.11.1.sig": "not read",
  });
  const kernel = await chooseKernel(files);
  assert.equal(kernel.path, "/usr/lib/modules/6.11.1/vmlinuz");
  assert.equal(kernel.origin, "modules");
});

test("chooseKernel() reads kernels whose names say nothing, and takes the newest", async () => {
  const files = tree({
    "/boot/linux.efi": imageOf("6.11.0-lts"),
    "/boot/vmlinuz": await gzip(imageOf("6.12.0-postmarketos")),
    "/boot/vmlinuz-postmarketos-qcom-sdm845": imageOf("6.9.0"),
    "/lib/modules/6.12.0-postmarketos": "",
  });
  const kernel = await chooseKernel(files);
  assert.equal(kernel.path, "/boot/vmlinuz");
  assert.equal(kernel.release, "6.12.0-postmarketos");
  assert.deepEqual(kernel.kernel.layers, ["gzip"]);
  assert.equal(kernel.modules, "/lib/modules/6.12.0-postmarketos");
});

test("chooseKernel() follows boot loader entries, whichever root their paths have", async () => {
  const paths = ["/token/6.14.0/linux", "token/6.14.0/linux"];
  for (const linux of paths) {
    for (const start of ["/boot", ""]) {
      const files = tree({
        [`${start}/loader/entries/a-6.14.0.conf`]:
          `version 6.14.0\nlinux ${linux}\ninitrd /a /b\noptions quiet\n`,
        [`${start}/loader/entries/rescue.conf`]:
          `title Rescue\nversion 0-rescue\nlinux /token/0-rescue/linux\n`,
        [`${start}/loader/entries/arm.conf`]:
          "architecture arm\nversion 9.0\nlinux /arm\n",
        [`${start}/arm`]: "not read",
        [`${start}/token/0-rescue/linux`]: "not read",
        [`${start}/token/6.14.0/linux`]: imageOf("6.14.0"),
        "/usr/lib/modules/6.14.0": "",
      });
      const kernel = await chooseKernel(files);
      assert.equal(kernel.path, `${start}/token/6.14.0/linux`);
      assert.deepEqual(kernel.entry?.initrd, ["/a", "/b"]);
      assert.equal(kernel.entry?.options, "quiet");
    }
  }
});

test("chooseKernel() searches below /boot when nothing else is there", async () => {
  const files = tree({
    "/boot/loop": "->.",
    "/boot/debian/6.12/Image": imageOf("6.12.1"),
    "/usr/lib/modules/6.12.1": "",
  });
  const kernel = await chooseKernel(files);
  assert.equal(kernel.path, "/boot/debian/6.12/Image");
  assert.equal(kernel.origin, "below-boot");
});

test("chooseKernel() takes the kernel of another file system that fits the modules", async () => {
  const files = tree({
    "/boot/vmlinuz-9.9.9": imageOf("9.9.9"),
    "/usr/lib/modules/6.99.0-made-amd64": "",
  });
  const others = [
    tree({ "/EFI/BOOT/BOOTX64.EFI": "" }),
    tree({ "/live/vmlinuz": imageOf("9.9.8"), "/vmlinuz-1.2.3": "no kernel" }),
    tree({ "/live/vmlinuz-x86": madeBzImage(1600) }),
  ];
  const kernel = await chooseKernel(files, { others });
  assert.equal(kernel.kernel.format, "bzimage");
  assert.equal(kernel.path, "/live/vmlinuz-x86");
  assert.equal(kernel.from, "memory");
  assert.equal(kernel.origin, "live");
  assert.equal(kernel.modules, "/usr/lib/modules/6.99.0-made-amd64");
  const own = { "/vmlinuz": imageOf("6.1.0"), "/usr/lib/modules/6.1.0": "" };
  assert.equal(
    (await chooseKernel(tree(own), { others })).from,
    undefined,
  );
  await assert.rejects(chooseKernel(files, { others: others.slice(0, 2) }), {
    code: "kernel.modules-mismatch",
    message: /release 9\.9\.9: .* has modules of 6\.99\.0-made-amd64/,
  });
});

test("chooseKernel() lets an image without any modules pass", async () => {
  const kernel = await chooseKernel(tree({ "/boot/Image.gz": madeImage() }));
  assert.equal(kernel.release, MADE_RELEASE);
  assert.equal(kernel.modules, undefined);
});

test("chooseKernel() refuses an image without kernel, saying where it looked", async () => {
  await assert.rejects(chooseKernel(tree({ "/boot/grub/grub.cfg": "x" })), {
    code: "kernel.not-found",
    message:
      'Cannot find a kernel in "memory": looked for /usr/lib/modules/*/vmlinuz, /lib/modules/*/vmlinuz, /boot/loader/entries/*.conf, /loader/entries/*.conf, /boot/efi/loader/entries/*.conf, /efi/loader/entries/*.conf, /boot/vmlinuz*, /boot/Image*, /boot/linux*, /vmlinuz*, /boot/EFI/Linux/*.efi, /EFI/Linux/*.efi, /efi/EFI/Linux/*.efi, /live/vmlinuz*, /casper/vmlinuz*, /images/pxeboot/vmlinuz*, /isolinux/vmlinuz*, /boot/**/{vmlinuz,Image,linux}*, found none; use an image that has one',
  });
});

test("chooseKernel() refuses modules of another release, naming both", async () => {
  const files = tree({
    "/boot/vmlinuz-6.12.5": imageOf("6.12.6-real"),
    "/usr/lib/modules/6.12.5": "",
    "/usr/lib/modules/6.9.0": "",
  });
  await assert.rejects(chooseKernel(files), {
    code: "kernel.modules-mismatch",
    message:
      'Cannot use kernel "/boot/vmlinuz-6.12.5" of release 6.12.6-real: "memory" has modules of 6.9.0, 6.12.5, expected those of 6.12.6-real; use an image whose kernel and modules fit',
  });
});

test("chooseKernel() refuses what has no release, and more than the limit", async () => {
  const silent = madeImage().fill(0x41, 0x3000);
  await assert.rejects(chooseKernel(tree({ "/boot/Image": silent })), {
    code: "kernel.no-release",
    message:
      'Cannot tell the release of kernel "/boot/Image" of "memory": found no "Linux version" in it, expected one; it may not be a Linux kernel',
  });
  const files = tree({ "/boot/Image": madeImage() });
  await assert.rejects(chooseKernel(files, { maxSize: 1000 }), {
    code: "kernel.too-large",
    message:
      'Cannot read kernel "/boot/Image" of "memory": found 98304 bytes, expected at most 1000',
  });
  await assert.rejects(
    chooseKernel(tree({ "/boot/vmlinuz-6.1": "#!/bin/sh\n" })),
    { code: "kernel.unknown-format" },
  );
});

test("chooseKernel() stops with the reason of its signal", async () => {
  const files = tree({ "/boot/Image": madeImage() });
  const reason = new Error("enough");
  await assert.rejects(
    chooseKernel(files, { signal: AbortSignal.abort(reason) }),
    reason,
  );
});

test("inspectImage() names the kernels that findKernels() finds", async () => {
  const files = tree({
    "/boot/vmlinuz-6.10.2": "not read",
    "/boot/vmlinuz": "->vmlinuz-6.10.2",
    "/usr/lib/modules/6.10.2": "",
    "/usr/lib/modules/6.9.1/vmlinuz": "not read",
  });
  const { kernels } = await inspectImage(files);
  assert.deepEqual(kernels, [
    {
      release: "6.9.1",
      modules: "/usr/lib/modules/6.9.1",
      image: "/usr/lib/modules/6.9.1/vmlinuz",
    },
    {
      release: "6.10.2",
      modules: "/usr/lib/modules/6.10.2",
      image: "/boot/vmlinuz-6.10.2",
    },
  ]);
});
