import { casyncTarget } from "./casync.ts";
import { compressedTarget } from "./compressed.ts";
import { containersTarget } from "./containers.ts";
import { erofsTarget } from "./erofs.ts";
import { ext4Target } from "./ext4.ts";
import { fatTarget } from "./fat.ts";
import { formatsTarget } from "./formats.ts";
import { httpTarget } from "./http.ts";
import { isoTarget } from "./iso.ts";
import { squashfsTarget } from "./squashfs.ts";
import { storeMapTarget } from "./store_map.ts";
import type { FuzzTarget } from "./target.ts";

/** What can be fuzzed, by name. */
export const TARGETS: Readonly<Record<string, FuzzTarget>> = {
  casync: casyncTarget,
  compressed: compressedTarget,
  containers: containersTarget,
  erofs: erofsTarget,
  ext4: ext4Target,
  fat: fatTarget,
  formats: formatsTarget,
  http: httpTarget,
  iso: isoTarget,
  squashfs: squashfsTarget,
  "store-map": storeMapTarget,
};
