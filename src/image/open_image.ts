import type { BlockReader } from "../block/reader.ts";
import type { SpoolOptions } from "../block/store.ts";
import { findRoot, type FindRootOptions, type FoundRoot } from "./find_root.ts";
import { openFormat } from "./open_format.ts";

/** What {@linkcode openImage} may be told. */
export interface OpenImageOptions extends SpoolOptions, FindRootOptions {}

/**
 * Opens the root file system that an image holds, whatever lies around it: see {@linkcode findRoot}.
 *
 * @param image The whole image.
 * @throws {FormatError} `image.*` as `findRoot()`, `image.unsupported-format` (`facts.format` names it),
 * beside what the formats throw when they open
 */
export async function openImage(
  image: BlockReader,
  options: OpenImageOptions = {},
): Promise<FoundRoot> {
  const { roots, ahead, signal, ...spool } = options;
  return await findRoot(
    image,
    (format, reader, { signal }) =>
      openFormat(format, reader, { ...spool, signal }),
    { roots, ahead, signal },
  );
}
