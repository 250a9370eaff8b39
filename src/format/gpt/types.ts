/**
 * Partition types with a name, see the UAPI Discoverable Partitions Specification and UEFI 2.10.
 *
 * @module
 */

/** Short name and words for people, by type GUID. */
const TYPES: Readonly<Record<string, readonly [name: string, words: string]>> =
  {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": ["esp", "EFI System"],
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": ["xbootldr", "Linux extended boot"],
    "0fc63daf-8483-4772-8e79-3d69d8477de4": [
      "linux-generic",
      "Linux filesystem",
    ],
    "b921b045-1df0-41c3-af44-4c6f280d3fae": [
      "root-arm64",
      "Linux root (ARM-64)",
    ],
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": [
      "root-x86-64",
      "Linux root (x86-64)",
    ],
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": ["root-arm", "Linux root (ARM)"],
    "44479540-f297-41b2-9af7-d131d5f0458a": ["root-x86", "Linux root (x86)"],
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224": [
      "root-riscv64",
      "Linux root (RISC-V-64)",
    ],
    "df3300ce-d69f-4c92-978c-9bfb0f38d820": [
      "root-arm64-verity",
      "Linux root verity (ARM-64)",
    ],
    "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": [
      "root-x86-64-verity",
      "Linux root verity (x86-64)",
    ],
    "6db69de6-29f4-4758-a7a5-962190f00ce3": [
      "root-arm64-verity-sig",
      "Linux root verity sign. (ARM-64)",
    ],
    "41092b05-9fc8-4523-994f-2def0408b176": [
      "root-x86-64-verity-sig",
      "Linux root verity sign. (x86-64)",
    ],
    "b0e01050-ee5f-4390-949a-9101b17104e9": [
      "usr-arm64",
      "Linux /usr (ARM-64)",
    ],
    "8484680c-9521-48c6-9c11-b0720656f69e": [
      "usr-x86-64",
      "Linux /usr (x86-64)",
    ],
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": ["swap", "Linux swap"],
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915": ["home", "Linux home"],
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": ["srv", "Linux server data"],
    "4d21b016-b534-45c2-a9fb-5c16e091fd2d": ["var", "Linux variable data"],
    "7ec6f557-3bc5-4aca-b293-16ef5df639d1": ["tmp", "Linux temporary data"],
    "e6d6d379-f507-44c2-a23c-238f2a3df928": ["linux-lvm", "Linux LVM"],
    "a19d880f-05fc-4d3b-a006-743f0f84911e": ["linux-raid", "Linux RAID"],
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": ["linux-luks", "Linux LUKS"],
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": [
      "microsoft-basic-data",
      "Microsoft basic data",
    ],
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": [
      "microsoft-reserved",
      "Microsoft reserved",
    ],
    "21686148-6449-6e6f-744e-656564454649": ["bios-boot", "BIOS boot"],
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": [
      "chromeos-kernel",
      "ChromeOS kernel",
    ],
    "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": [
      "chromeos-root",
      "ChromeOS root fs",
    ],
    "2e0a753d-9e48-43b0-8337-b15192cb1b5e": [
      "chromeos-reserved",
      "ChromeOS reserved",
    ],
  };

const BY_NAME = new Map(
  Object.entries(TYPES).map(([guid, [name]]) => [name, guid]),
);

/** Short name of a type GUID, as systemd's tools call it: `esp`, `root-arm64`. */
export function partitionTypeName(guid: string): string | undefined {
  return TYPES[guid]?.[0];
}

/** A type GUID in words: `EFI System`, as fdisk says it. */
export function partitionTypeWords(guid: string): string | undefined {
  return TYPES[guid]?.[1];
}

/** Type GUID of a short name. */
export function partitionTypeGuid(name: string): string | undefined {
  return BY_NAME.get(name.toLowerCase());
}
