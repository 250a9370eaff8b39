/**
 * GUID Partition Table on disk, see UEFI 2.10, section 5.3. All little-endian.
 *
 * @module
 */

import { bytesOf, safeU64, struct, u32, u64 } from "../../bytes/struct.ts";
import { guid } from "./guid.ts";

/** `EFI PART`, the signature of a header. */
export const GPT_SIGNATURE = 0x5452_4150_2049_4645n;
/** Bytes of a header; it may claim more, up to its sector. */
export const GPT_HEADER_SIZE = 92;
/** Bytes of an entry at the least. */
export const GPT_ENTRY_SIZE = 128;
/** Most bytes of a table that is read. The usual one has 16384. */
export const MAX_TABLE_BYTES: number = 16 << 20;

/** Table 5-5. Names as there. */
export const GptHeader = struct("GPT header", {
  signature: u64,
  revision: u32,
  headerSize: u32,
  headerCrc32: u32,
  reserved: u32,
  myLba: safeU64,
  alternateLba: safeU64,
  firstUsableLba: safeU64,
  lastUsableLba: safeU64,
  diskGuid: guid,
  partitionEntryLba: safeU64,
  numberOfPartitionEntries: u32,
  sizeOfPartitionEntry: u32,
  partitionEntryArrayCrc32: u32,
});

/** Table 5-6. */
export const GptEntry = struct("GPT entry", {
  partitionTypeGuid: guid,
  uniquePartitionGuid: guid,
  startingLba: safeU64,
  endingLba: safeU64,
  attributes: u64,
  partitionName: bytesOf(72),
});
