/** Short names of the types that hold what we may look for. */
const TYPES: Readonly<Record<number, string>> = {
  0x01: "fat12",
  0x04: "fat16",
  0x05: "extended",
  0x06: "fat16",
  0x07: "ntfs-or-exfat",
  0x0b: "fat32",
  0x0c: "fat32",
  0x0e: "fat16",
  0x0f: "extended",
  0x82: "swap",
  0x83: "linux",
  0x85: "extended",
  0x8e: "linux-lvm",
  0xda: "data",
  0xea: "xbootldr",
  0xee: "gpt-protective",
  0xef: "esp",
  0xfd: "linux-raid",
};

/** Short name of a partition type, `linux` for 0x83. */
export function mbrTypeName(type: number): string | undefined {
  return TYPES[type];
}
