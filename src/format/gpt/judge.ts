import type { Partition, TableProblem } from "./partition.ts";

/** What partitions are judged by. Sectors include both ends. */
export interface JudgeOptions {
  readonly scheme: "gpt" | "mbr";
  readonly diskBytes: number;
  /** Sectors that the table gives to partitions; outside of them is odd, not wrong. */
  readonly usable?: readonly [first: number, last: number];
  /** Sectors that hold the table itself. */
  readonly reserved: readonly (readonly [first: number, last: number])[];
}

/**
 * Gives back the partitions, those that must not be used with their `problem`: last sector before the
 * first one, outside the image, over another partition or over the table.
 */
export function judgePartitions(
  partitions: readonly Partition[],
  problems: TableProblem[],
  { scheme, diskBytes, usable, reserved }: JudgeOptions,
): Partition[] {
  const found = new Map<number, string>();
  for (const { index, firstLba, lastLba, offset, size } of partitions) {
    const end = offset + size;
    if (!Number.isSafeInteger(end) || lastLba < firstLba) {
      const text = `it has sectors ${firstLba} to ${lastLba}`;
      found.set(index, `${text}, expected the last not before the first`);
    } else if (end > diskBytes) {
      found.set(
        index,
        `it ends at byte ${end}, expected at most ${diskBytes}; the image is cut short`,
      );
    } else if (
      reserved.some(([first, last]) => firstLba <= last && lastLba >= first)
    ) {
      found.set(index, "it lies over the partition table itself");
    }
  }
  // what is refused already says nothing about the others
  const rest = partitions.filter(({ index }) => !found.has(index));
  for (const [index, number] of overlaps(rest)) {
    found.set(index, `it overlaps partition #${number}`);
  }
  for (const { index, number, firstLba, lastLba } of partitions) {
    const problem = found.get(index);
    const sectors =
      `partition #${number} has sectors ${firstLba} to ${lastLba}`;
    if (problem !== undefined) {
      const text = `partition #${number} cannot be used: ${problem}`;
      problems.push({ code: `${scheme}.bad-partition`, text, index });
    } else if (
      usable !== undefined && (firstLba < usable[0] || lastLba > usable[1])
    ) {
      const text = `${sectors}, expected ${usable[0]} to ${usable[1]}`;
      problems.push({ code: `${scheme}.outside-usable`, text, index });
    }
  }
  return partitions.map((partition) => {
    const problem = found.get(partition.index);
    return problem === undefined ? partition : { ...partition, problem };
  });
}

/** For each partition that shares sectors with another one, the number of that one. */
function overlaps(partitions: readonly Partition[]): Map<number, number> {
  const found = new Map<number, number>();
  const sorted = [...partitions]
    .sort((a, b) => a.firstLba - b.firstLba);
  let furthest: Partition | undefined;
  for (const partition of sorted) {
    if (furthest !== undefined && partition.firstLba <= furthest.lastLba) {
      found.set(partition.index, furthest.number);
      if (!found.has(furthest.index)) {
        found.set(furthest.index, partition.number);
      }
    }
    if (furthest === undefined || partition.lastLba > furthest.lastLba) {
      furthest = partition;
    }
  }
  return found;
}
