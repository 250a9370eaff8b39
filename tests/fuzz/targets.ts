import { compressedTarget } from "./compressed.ts";
import { erofsTarget } from "./erofs.ts";
import { formatsTarget } from "./formats.ts";
import { squashfsTarget } from "./squashfs.ts";
import type { FuzzTarget } from "./target.ts";

/** What can be fuzzed, by name. */
export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  compressed: compressedTarget,
  erofs: erofsTarget,
  formats: formatsTarget,
  squashfs: squashfsTarget,
};
