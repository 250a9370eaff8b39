/**
 * As much of PE/COFF as kernels are wrapped in.
 *
 * @module
 */

import { struct, u16, u32 } from "../../bytes/struct.ts";

/** Where an EFI program says where its PE header is (PE Format, section "MS-DOS Stub"). */
const E_LFANEW = 0x3c;
/** `PE\0\0`. */
const PE_MAGIC = 0x00004550;

const CoffHeader = struct("PE header", {
  magic: u32,
  machine: u16,
  numberOfSections: u16,
  timeDateStamp: u32,
  pointerToSymbolTable: u32,
  numberOfSymbols: u32,
  sizeOfOptionalHeader: u16,
  characteristics: u16,
});

const SECTION_HEADER_SIZE = 40;
const SectionSizes = struct("PE section header", {
  virtualSize: u32,
  virtualAddress: u32,
  sizeOfRawData: u32,
  pointerToRawData: u32,
});

/** A section as its header states it; it may lie past the end of a file that was cut short. */
export interface PeSection {
  /** Its name, `.text`. */
  readonly name: string;
  /** Byte in the file. */
  readonly offset: number;
  /** Bytes in the file, without what only fills up its last block. */
  readonly size: number;
  /** Byte in the file after its last one, what fills up the block included. */
  readonly end: number;
}

/**
 * The sections of an EFI program.
 *
 * @returns `undefined` when `bytes` is not one, or ends within the headers.
 */
export function parsePeSections(bytes: Uint8Array): PeSection[] | undefined {
  if (bytes[0] !== 0x4d || bytes[1] !== 0x5a || bytes.length < E_LFANEW + 4) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = view.getUint32(E_LFANEW, true);
  if (at + CoffHeader.size > bytes.length) return undefined;
  const { magic, numberOfSections, sizeOfOptionalHeader } = CoffHeader.read(
    bytes,
    at,
  );
  if (magic !== PE_MAGIC) return undefined;
  const table = at + CoffHeader.size + sizeOfOptionalHeader;
  if (table + numberOfSections * SECTION_HEADER_SIZE > bytes.length) {
    return undefined;
  }
  const sections: PeSection[] = [];
  for (let i = 0; i < numberOfSections; i++) {
    const header = table + i * SECTION_HEADER_SIZE;
    const padded = new TextDecoder().decode(bytes.subarray(header, header + 8));
    const sizes = SectionSizes.read(bytes, header + 8);
    sections.push({
      name: padded.split("\0")[0]!,
      offset: sizes.pointerToRawData,
      size: sizes.virtualSize === 0
        ? sizes.sizeOfRawData
        : Math.min(sizes.virtualSize, sizes.sizeOfRawData),
      end: sizes.pointerToRawData + sizes.sizeOfRawData,
    });
  }
  return sections;
}
