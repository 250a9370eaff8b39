import { openMeantDeployment } from "../../boot/ostree.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { isCoded } from "../../errors.ts";
import type { FileSystem } from "../../fs/filesystem.ts";
import { findKernels } from "../../image/find_kernels.ts";
import { type ImageFacts, inspectImage } from "../../image/inspect.ts";
import {
  formatChain,
  type Layer,
  type PassedOver,
} from "../../image/layers.ts";
import type { OpenedSource } from "./image_source.ts";
import { printable } from "./listing.ts";

/** What `inspect` shows: the facts, and the file they are of. */
export interface Inspection extends ImageFacts {
  readonly image: string;
  /** Bytes of the outermost file. */
  readonly size: number;
  /** From the file to the root. */
  readonly chain: readonly Layer[];
  /** Bytes of the root file system: what phones are served. */
  readonly rootSize: number;
  /** Link of the OSTree deployment that would boot. */
  readonly ostree?: string;
  /** Path of the kernel that would boot; absent when none is found. */
  readonly boots?: string;
  /** File systems beside the root, and the kernels in them. */
  readonly others: readonly {
    readonly chain: readonly Layer[];
    readonly kernels: ImageFacts["kernels"];
  }[];
  /** What was not taken, and why. */
  readonly passed: readonly PassedOver[];
}

/** Looks through an image that is open. */
export async function inspect(
  image: string,
  { files, chain, size, reader, others, passed }: OpenedSource,
  signal: AbortSignal,
): Promise<Inspection> {
  const deployment = await openMeantDeployment(files, undefined, { signal });
  const root = deployment?.files ?? files;
  const boots = await kernelToBoot(root, others, signal);
  return {
    image,
    size,
    chain,
    rootSize: reader.size,
    ...(deployment === undefined ? {} : { ostree: deployment.link }),
    ...(boots === undefined ? {} : { boots }),
    ...await inspectImage(root, { signal }),
    others: await Promise.all(others.map(async ({ chain, files }) => ({
      chain,
      kernels: await kernelsIn(files, { signal }),
    }))),
    passed,
  };
}

/** The kernel that is tried first, by its name and place: it is read only when it is booted. */
async function kernelToBoot(
  root: FileSystem,
  others: OpenedSource["others"],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { candidates: [first], modules } = await findKernels(root, { signal });
  if (first !== undefined) return first.path;
  for (const { chain, files } of others) {
    const { candidates } = await findKernels(files, { signal });
    const fit = candidates.find(({ release }) =>
      release === undefined || modules.size === 0 || modules.has(release)
    );
    if (fit !== undefined) return `${fit.path} of ${formatChain(chain)}`;
  }
  return undefined;
}

/** Kernels in a file system beside the root; what is wrong there keeps nothing from booting. */
async function kernelsIn(
  files: FileSystem,
  options: ReadOptions,
): Promise<ImageFacts["kernels"]> {
  try {
    return (await inspectImage(files, options)).kernels;
  } catch (error) {
    if (!isCoded(error)) throw error;
    return [];
  }
}

/** An inspection for people. */
export function formatInspection(facts: Inspection): string {
  const { count, folders } = facts.deviceTrees;
  const rows: (readonly [name: string, value: string])[] = [
    ["image", facts.image],
    ["layers", formatChain(facts.chain)],
    ["size", mebibytes(facts.size)],
    ["root", `${facts.fileSystem}, ${mebibytes(facts.rootSize)}`],
    ["block size", `${facts.blockSize} bytes`],
    ["features", facts.features.join(" ") || "none"],
    ...(facts.ostree === undefined
      ? []
      : [["deployment", facts.ostree] as const]),
    ...kernelRows(facts.kernels),
    ["boots", facts.boots ?? "nothing: there is no kernel"],
    [
      "device trees",
      count === 0 ? "none" : `${count} in ${folders.join(", ")}`,
    ],
    ...facts.others.map(({ chain, kernels }) =>
      [
        "beside it",
        [
          formatChain(chain),
          ...kernels.map(({ release, image }) => `${release} ${image ?? ""}`),
        ].join("; "),
      ] as const
    ),
    ...facts.passed.map(({ what, reason }) =>
      ["passed over", `${what}: ${reason}`] as const
    ),
  ];
  return rows.map(([name, value]) =>
    `${`${name}:`.padEnd(14)}${printable(value)}\n`
  ).join("");
}

function kernelRows(
  kernels: ImageFacts["kernels"],
): (readonly [name: string, value: string])[] {
  if (kernels.length === 0) return [["kernel", "none"]];
  return kernels.map(({ release, image, modules }) => [
    "kernel",
    [release, image ?? "no kernel image", modules ?? "no modules"].join("  "),
  ]);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
