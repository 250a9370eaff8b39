import type { ImageFacts } from "../../image/inspect.ts";
import { printable } from "./listing.ts";

/** What `inspect` shows: the facts, and the file they are of. */
export interface Inspection extends ImageFacts {
  readonly image: string;
  /** Bytes. */
  readonly size: number;
}

/** An inspection for people. */
export function formatInspection(facts: Inspection): string {
  const kernels = facts.kernels.map(({ release, image, modules }) =>
    [release, image ?? "no kernel image", modules ?? "no modules"].join("  ")
  );
  const { count, folders } = facts.deviceTrees;
  const rows = [
    ["image", facts.image],
    ["size", `${(facts.size / 2 ** 20).toFixed(1)} MiB`],
    ["file system", facts.fileSystem],
    ["block size", `${facts.blockSize} bytes`],
    ["features", facts.features.join(" ") || "none"],
    ...(kernels.length === 0 ? ["none"] : kernels).map((
      line,
    ) => ["kernel", line]),
    [
      "device trees",
      count === 0 ? "none" : `${count} in ${folders.join(", ")}`,
    ],
  ] as const;
  return rows.map(([name, value]) =>
    `${`${name}:`.padEnd(14)}${printable(value!)}\n`
  ).join("");
}
