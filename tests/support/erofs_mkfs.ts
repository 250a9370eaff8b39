/**
 * Images made on the spot by mkfs.erofs.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  erofsTool,
  type ErofsVersion,
} from "../../scripts/fixtures/erofs_tool.ts";

/** Why mkfs.erofs cannot be run here; `undefined` when it can. */
export function missingMkfs(version: ErofsVersion): string | undefined {
  try {
    erofsTool(version, "mkfs.erofs");
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** An image of `files`, all of them in its root. */
export async function makeErofsImage(
  version: ErofsVersion,
  options: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const [program, ...args] = erofsTool(version, "mkfs.erofs");
  const folder = await fs.mkdtemp(join(tmpdir(), "erofs-"));
  try {
    const tree = join(folder, "tree");
    const image = join(folder, "image");
    await fs.mkdir(tree);
    for (const [name, bytes] of files) {
      await fs.writeFile(join(tree, name), bytes);
    }
    execFileSync(program!, [...args, "--quiet", ...options, image, tree], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return new Uint8Array(await fs.readFile(image));
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}
