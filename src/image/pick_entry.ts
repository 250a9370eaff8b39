import { FormatError } from "../errors.ts";
import type { Part } from "./layers.ts";

const IMAGE_NAME =
  /\.(?:img|raw|bin|iso|ero|erofs|ext[234]|squashfs|sqfs|sfs|simg)(?:\.(?:xz|gz|zst|bz2|lz4))?$/i;
const ROOT_NAME = /(?:^|[/._-])(?:root|rootfs|userdata|system)(?=[._-]|$)/i;
/** What the root of a system has and a package of images has not. */
const TREE_NAME = /^(?:\.\/)?(?:usr\/|etc\/os-release$|sbin\/init$|bin\/)/;

/**
 * Picks the entry of an archive that holds the root: the only image, the one that is named as the
 * archive, or the only one that is named as roots are.
 *
 * @throws {FormatError} `image.ambiguous-root`, `image.no-root`, `image.root-archive` for the files of a
 * root itself
 */
export function pickEntry(parts: readonly Part[], archive: string): Part {
  const file = archive.slice(archive.lastIndexOf("/") + 1);
  const stem = file.replace(/\.(?:zip|tar)$/i, "");
  const able = parts.filter(({ label, size }) =>
    size > 0 && IMAGE_NAME.test(label)
  );
  const lists = [
    able,
    able.filter(({ label }) => label.replace(/\.[^./]+$/, "") === stem),
    able.filter(({ label }) => ROOT_NAME.test(label)),
    able.length === 0 ? parts : [],
  ];
  for (const [only, ...others] of lists) {
    if (only !== undefined && others.length === 0) return only;
  }
  if (able.length > 0) {
    const labels = able.map(({ label }) => label);
    throw new FormatError(
      "image.ambiguous-root",
      `Cannot tell which entry of "${archive}" is meant: found ${
        labels.slice(0, 20).join(", ")
      }, expected one image; choose by --root, as in --root '${labels[0]}'`,
      { facts: { image: archive, choices: labels.join("\n") } },
    );
  }
  if (parts.some(({ label }) => TREE_NAME.test(label))) {
    throw new FormatError(
      "image.root-archive",
      `Cannot boot from "${archive}": it holds the files of a root one by one, expected an image of a file system; make one, as by mkfs.erofs --tar=f`,
      { facts: { image: archive } },
    );
  }
  throw new FormatError(
    "image.no-root",
    `Cannot find an image in "${archive}": found ${
      parts.slice(0, 10).map(({ label }) => label).join(", ") || "no entries"
    }, expected one such as ${stem}.img; choose another by --root`,
    { facts: { image: archive } },
  );
}
