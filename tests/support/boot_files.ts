/**
 * The files of an image that a boot reads on the host, and what they take in the image.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { erofsTool } from "../../scripts/fixtures/erofs_tool.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { inspectImage } from "../../src/image/inspect.ts";

/** What a boot needs besides the kernel: modules of the phone's USB controller and of stage0. */
const MODULES = [
  "configfs",
  "libcomposite",
  "usb_f_fs",
  "ublk_drv",
  "overlay",
  "erofs",
  "dwc3",
  "dwc3-qcom",
  "phy-qcom-qusb2",
  "phy-qcom-qmp-combo",
];

/** The kernel, its `modules.dep`, and {@linkcode MODULES} as `modules.dep` names them. */
export async function bootPaths(files: FileSystem): Promise<string[]> {
  const { kernels } = await inspectImage(files);
  const { image, modules } = kernels[0]!;
  const index = await files.open(`${modules}/modules.dep`);
  const bytes = await readExactly(index, 0, index.size);
  const lines = new TextDecoder().decode(bytes).split("\n");
  const found = MODULES.map((name) => {
    const line = lines.find((line) =>
      line.split(":")[0]!.endsWith(`/${name}.ko.xz`)
    );
    assert.ok(line, `${name} is not in modules.dep`);
    return `${modules}/${line.split(":")[0]}`;
  });
  return [image!, `${modules}/modules.dep`, ...found];
}

/** Bytes that a file takes in the image, as dump.erofs says. */
export function storedSize(image: string, path: string): number {
  const [program, ...args] = erofsTool("1.8.6", "dump.erofs");
  const text = execFileSync(program!, [...args, `--path=${path}`, image], {
    encoding: "utf8",
  });
  const size = /On-disk size:\s+(\d+)/.exec(text)?.[1];
  assert.ok(size, text);
  return Number(size);
}
