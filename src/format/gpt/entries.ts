import type { BlockReader } from "../../block/reader.ts";
import type { GptCopy } from "./header.ts";
import { GptEntry } from "./layout.ts";
import type { Partition, TableProblem } from "./partition.ts";
import { judgePartitions } from "./judge.ts";
import { guidText } from "./guid.ts";
import { partitionTypeName } from "./types.ts";

const UNUSED = "00000000-0000-0000-0000-000000000000";

/** The used entries of a table, with what is wrong with them; adds that to `problems` too. */
export function readEntries(
  disk: BlockReader,
  { header, entries, sectorSize }: GptCopy,
  problems: TableProblem[],
): Partition[] {
  const partitions: Partition[] = [];
  const { sizeOfPartitionEntry: step, numberOfPartitionEntries: count } =
    header;
  const view = new DataView(entries.buffer, entries.byteOffset);
  for (let index = 0; index < count; index++) {
    const at = index * step;
    const type = guidText(entries.subarray(at, at + 16));
    if (type === UNUSED) continue;
    // beyond 2^53 a number is not exact, and such an entry is refused whatever it is
    const lba = (field: number) => Number(view.getBigUint64(at + field, true));
    const firstLba = lba(GptEntry.offsets.startingLba);
    const lastLba = lba(GptEntry.offsets.endingLba);
    const name = entries.subarray(
      at + GptEntry.offsets.partitionName,
      at + GptEntry.size,
    );
    partitions.push({
      index,
      number: index + 1,
      type,
      typeName: partitionTypeName(type),
      uuid: guidText(entries.subarray(at + 16, at + 32)),
      label: labelOf(name),
      attributes: view.getBigUint64(at + GptEntry.offsets.attributes, true),
      firstLba,
      lastLba,
      offset: firstLba * sectorSize,
      size: Math.max(0, lastLba - firstLba + 1) * sectorSize,
    });
  }
  const { firstUsableLba, lastUsableLba } = header;
  return judgePartitions(partitions, problems, {
    scheme: "gpt",
    diskBytes: disk.size,
    usable: [firstUsableLba, lastUsableLba],
    reserved: [
      [0, 1],
      [
        header.partitionEntryLba,
        header.partitionEntryLba + Math.ceil(entries.length / sectorSize) - 1,
      ],
      [header.myLba, header.myLba],
    ],
  });
}

/** UTF-16, up to the first zero. Halves of surrogate pairs stay as they are. */
function labelOf(bytes: Uint8Array): string {
  let label = "";
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    const unit = bytes[i]! | bytes[i + 1]! << 8;
    if (unit === 0) break;
    label += String.fromCharCode(unit);
  }
  return label;
}
