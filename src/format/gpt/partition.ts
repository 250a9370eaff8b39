/**
 * What partition tables of all kinds have in common: their entries, choosing one, opening one.
 *
 * @module
 */

import type { BlockReader } from "../../block/reader.ts";
import { withSlice } from "../../block/slice.ts";
import { FormatError } from "../../errors.ts";
import { parseGuid } from "./guid.ts";
import { partitionTypeGuid } from "./types.ts";

/** An entry of a partition table. */
export interface Partition {
  /** Slot in the table, from 0. Of MBR's logical partitions `number - 1`. */
  readonly index: number;
  /** What people and Linux call it, from 1: `#3`, `/dev/sda3`. */
  readonly number: number;
  /** GPT: the type GUID, lower-case. MBR: two hexadecimal digits. */
  readonly type: string;
  /** Short name of the type where it has one: `esp`, `root-arm64`. */
  readonly typeName: string | undefined;
  /** PARTUUID as Linux writes it: a GUID, or `fa57b009-06` for MBR. */
  readonly uuid: string;
  /** PARTLABEL; always empty for MBR. */
  readonly label: string;
  /** GPT: the attribute bits. MBR: the boot indicator. */
  readonly attributes: bigint;
  /** First sector. */
  readonly firstLba: number;
  /** Last sector, included. */
  readonly lastLba: number;
  /** First byte on the disk. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** Why it cannot be opened, in words; absent when it can. */
  readonly problem?: string;
}

/** Something odd about a table that does not keep it from being used. */
export interface TableProblem {
  /** Stable, as of an error. */
  readonly code: string;
  /** For people: found and expected. */
  readonly text: string;
  /** Slot of the partition it is about. */
  readonly index?: number;
}

/** What every kind of partition table reads as. */
export interface PartitionTable {
  /** The kind; codes of errors begin with it. */
  readonly scheme: "gpt" | "mbr";
  /** What people call the disk, for messages. */
  readonly name: string;
  /** Bytes of a logical sector. */
  readonly sectorSize: number;
  /** Used entries in the order of their slots. */
  readonly partitions: readonly Partition[];
  /** Oddities, among them those of single partitions. */
  readonly problems: readonly TableProblem[];
}

/** Says which partition is wanted; exactly one key. */
export type PartitionSelector =
  /** PARTLABEL: compared exactly, blanks around the selector left out. */
  | { readonly label: string }
  /** PARTUUID: any case; of a GUID the dashes may be left out. */
  | { readonly uuid: string }
  /** Type: a GUID, a short name such as `root-arm64`, or for MBR two hexadecimal digits. */
  | { readonly type: string }
  /** Slot, from 0, as in pipelines. */
  | { readonly index: number }
  /** Number, from 1, as people and Linux count. */
  | { readonly number: number };

/**
 * Finds the one partition that `selector` means.
 *
 * @throws {TypeError} when `selector` has not exactly one key, or it can mean no partition at all: a
 * UUID that is none, a label of blanks, a negative index.
 * @throws {FormatError} `gpt.no-partition`, `mbr.no-partition` with what there is;
 * `gpt.ambiguous-partition`, `mbr.ambiguous-partition` with those that match
 */
export function selectPartition(
  table: PartitionTable,
  selector: PartitionSelector,
): Partition {
  const { matches, words } = matcher(table, selector);
  const found = table.partitions.filter(matches);
  if (found.length === 1) return found[0]!;
  const list = found.length === 0 ? table.partitions : found;
  const listed = list.length === 0
    ? "no partition at all"
    : list.map((partition) =>
      // `#` counts from 1: who counts from 0 is told both
      "index" in selector
        ? `${describePartition(partition)} (index ${partition.index})`
        : describePartition(partition)
    ).join(", ");
  const [what, reason] = found.length === 0
    ? ["no-partition", `there is ${listed}`] as const
    : [
      "ambiguous-partition",
      `${found.length} match: ${listed}; choose one by its number or PARTUUID`,
    ] as const;
  throw new FormatError(
    `${table.scheme}.${what}`,
    `Cannot find partition with ${words} in "${table.name}": ${reason}`,
    { facts: { name: table.name, selector: words, partitions: listed } },
  );
}

/** One partition in few words: `#3 "root"`. */
export function describePartition(partition: Partition): string {
  const { number, label, typeName, type } = partition;
  const words = label === ""
    ? typeName ?? `type ${type}`
    : JSON.stringify(label);
  return `#${number} ${words}`;
}

function matcher(
  { scheme }: PartitionTable,
  selector: PartitionSelector,
): { matches: (partition: Partition) => boolean; words: string } {
  const keys = Object.keys(selector);
  if (keys.length !== 1) {
    throw new TypeError(
      `Cannot select a partition by ${keys.length} keys, expected exactly one`,
    );
  }
  if ("label" in selector) {
    const wanted = selector.label.trim();
    if (wanted === "") throw bad("label", selector.label, "not blank");
    return {
      matches: ({ label }) => label === wanted,
      words: `label ${JSON.stringify(wanted)}`,
    };
  }
  if ("uuid" in selector) {
    const wanted = scheme === "gpt"
      ? parseGuid(selector.uuid)
      : /^\s*([0-9a-f]{8}-[0-9a-f]{2})\s*$/i.exec(selector.uuid)?.[1]
        ?.toLowerCase();
    if (wanted === undefined) {
      const form = scheme === "gpt"
        ? "32 hexadecimal digits"
        : "8 hexadecimal digits, a dash and 2";
      throw bad("uuid", selector.uuid, form);
    }
    return { matches: ({ uuid }) => uuid === wanted, words: `UUID ${wanted}` };
  }
  if ("type" in selector) {
    const wanted = typeOf(scheme, selector.type);
    return { matches: ({ type }) => type === wanted, words: `type ${wanted}` };
  }
  const [key, wanted, least] = "index" in selector
    ? ["index", selector.index, 0] as const
    : ["number", selector.number, 1] as const;
  if (!Number.isSafeInteger(wanted) || wanted < least) {
    throw bad(key, String(wanted), `an integer of at least ${least}`);
  }
  return {
    matches: (partition) => partition[key] === wanted,
    words: `${key} ${wanted}`,
  };
}

function typeOf(scheme: "gpt" | "mbr", text: string): string {
  const type = text.trim().toLowerCase();
  if (scheme === "mbr") {
    const [, digits] = /^(?:0x)?([0-9a-f]{1,2})$/.exec(type) ?? [];
    if (digits === undefined) throw bad("type", text, "2 hexadecimal digits");
    return digits.padStart(2, "0");
  }
  const guid = partitionTypeGuid(type) ?? parseGuid(type);
  if (guid === undefined) {
    throw bad("type", text, 'a GUID or a name such as "root-arm64"');
  }
  return guid;
}

function bad(key: string, found: string, expected: string): TypeError {
  return new TypeError(
    `Cannot select a partition by ${key} ${
      JSON.stringify(found)
    }, expected ${expected}`,
  );
}

/**
 * Opens a partition as a reader. Reads nothing.
 *
 * @param disk The disk that the table was read from.
 * @returns Reader whose byte 0 is the first byte of the partition; its block size is the disk's as
 * far as the partition is aligned to it.
 * @throws {FormatError} `gpt.bad-partition`, `mbr.bad-partition` when it overlaps another one, lies
 * outside the disk or is no more than a container
 */
export function openPartition(
  disk: BlockReader,
  partition: Partition,
): BlockReader {
  const { offset, size, number, problem, uuid } = partition;
  const scheme = uuid.length === 36 ? "gpt" : "mbr";
  const past = offset + size > disk.size
    ? `it ends at byte ${offset + size}, expected at most ${disk.size}`
    : undefined;
  const reason = problem ?? past;
  if (reason !== undefined) {
    throw new FormatError(
      `${scheme}.bad-partition`,
      `Cannot open partition ${
        describePartition(partition)
      } of "${disk.name}": ${reason}`,
      { facts: { name: disk.name, number, offset, size } },
    );
  }
  return {
    ...withSlice(disk, { offset, size }),
    name: `${disk.name}#${number}`,
    identity: `${disk.identity}|${scheme}:${offset}+${size}`,
  };
}
