/**
 * Whether a file can be PID 1 of a phone.
 *
 * @module
 */

import { bytesOf, struct, u16, u32, u64 } from "../bytes/struct.ts";
import { type ErrorFacts, FormatError } from "../errors.ts";

/** Processors that we boot, as `uname -m` names them. */
export type Machine = "aarch64" | "x86_64";

// elf(5)
const ElfHeader = struct("ELF header", {
  magic: bytesOf(4),
  classAndData: u16,
  rest: bytesOf(10),
  type: u16,
  machine: u16,
  version: u32,
  entry: u64,
  programHeaderOffset: u64,
  sectionHeaderOffset: u64,
  flags: u32,
  headerSize: u16,
  programHeaderSize: u16,
  programHeaderCount: u16,
  sections: bytesOf(6),
});
const ProgramHeader = struct("ELF program header", {
  type: u32,
  flags: u32,
  offset: u64,
  virtualAddress: u64,
  physicalAddress: u64,
  fileSize: u64,
  memorySize: u64,
  align: u64,
});

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];
/** ELFCLASS64 and ELFDATA2LSB. */
const CLASS64_LITTLE = 0x0102;
const ET_EXEC = 2, ET_DYN = 3;
const PT_LOAD = 1, PT_INTERP = 3;
const MACHINES: Readonly<Record<Machine, number>> = {
  aarch64: 183,
  x86_64: 62,
};

function refuse(
  what: string,
  name: string,
  text: string,
  facts: ErrorFacts = {},
): FormatError {
  return new FormatError(
    `stage0.${what}`,
    `Cannot use "${name}" as /init: ${text}`,
    { facts: { name, ...facts } },
  );
}

/**
 * Checks that bytes are a program that a kernel can start with nothing else at hand: ELF of 64 bits,
 * little-endian, for this machine, without an interpreter. Static and static-pie programs pass.
 *
 * @param name What messages call it.
 * @throws {FormatError} `stage0.not-elf`, `stage0.wrong-class`, `stage0.wrong-machine`,
 * `stage0.not-a-program`, `stage0.dynamic`, `stage0.damaged`
 * @see elf(5)
 */
export function checkStage0(
  bytes: Uint8Array,
  machine: Machine,
  name = "stage0",
): void {
  if (ELF_MAGIC.some((byte, at) => bytes[at] !== byte)) {
    const found = [...bytes.subarray(0, 4)]
      .map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw refuse(
      "not-elf",
      name,
      `it begins with ${
        found || "nothing"
      }, expected 7f 45 4c 46, the magic of ELF; give a static program`,
    );
  }
  if (bytes.length < ElfHeader.size) {
    throw refuse(
      "damaged",
      name,
      `it has ${bytes.length} bytes, expected an ELF header of 64; it is cut short`,
    );
  }
  const header = ElfHeader.read(bytes);
  if (header.classAndData !== CLASS64_LITTLE) {
    throw refuse(
      "wrong-class",
      name,
      `its ELF class and byte order are ${header.classAndData & 0xff} and ${
        header.classAndData >> 8
      }, expected 2 and 1 (64 bits, little-endian)`,
    );
  }
  if (header.machine !== MACHINES[machine]) {
    const found = Object.entries(MACHINES)
      .find(([, number]) => number === header.machine)?.[0] ??
      `ELF machine ${header.machine}`;
    throw refuse(
      "wrong-machine",
      name,
      `it is for ${found}, expected ${machine}`,
      { found: header.machine, expected: MACHINES[machine] },
    );
  }
  if (header.type !== ET_EXEC && header.type !== ET_DYN) {
    throw refuse(
      "not-a-program",
      name,
      `its ELF type is ${header.type}, expected ${ET_EXEC} or ${ET_DYN} (a program)`,
    );
  }
  checkSegments(bytes, header, name);
}

function checkSegments(
  bytes: Uint8Array,
  header: ReturnType<typeof ElfHeader.read>,
  name: string,
): void {
  const { programHeaderCount: count, programHeaderSize: size } = header;
  const offset = Number(header.programHeaderOffset);
  if (
    size !== ProgramHeader.size || offset + count * size > bytes.length
  ) {
    throw refuse(
      "damaged",
      name,
      `it has ${count} program headers of ${size} bytes from byte ${offset} on and ${bytes.length} bytes in all; it is cut short or damaged`,
    );
  }
  let loads = 0;
  for (let i = 0; i < count; i++) {
    const segment = ProgramHeader.read(bytes, offset + i * size);
    const end = Number(segment.offset) + Number(segment.fileSize);
    if (segment.type === PT_LOAD) {
      loads++;
      if (end > bytes.length) {
        throw refuse(
          "damaged",
          name,
          `a segment ends at byte ${end}, but it has ${bytes.length} bytes; it is cut short`,
        );
      }
    }
    if (segment.type !== PT_INTERP) continue;
    const path = bytes.subarray(Number(segment.offset), Math.max(0, end - 1));
    const interpreter = new TextDecoder().decode(path.subarray(0, 256));
    throw refuse(
      "dynamic",
      name,
      `it needs the interpreter "${interpreter}", which is not in the initramfs; link it with -static`,
      { interpreter },
    );
  }
  if (loads === 0) {
    throw refuse("damaged", name, "it has no segment to load");
  }
}
