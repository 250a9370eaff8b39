import type { FileType, Inode } from "../../fs/filesystem.ts";

const LETTERS: Readonly<Record<FileType, string>> = {
  "file": "-",
  "directory": "d",
  "symlink": "l",
  "character-device": "c",
  "block-device": "b",
  "fifo": "p",
  "socket": "s",
};

/** One line as `ls -l` prints it, with the time in UTC. */
export function formatLong(
  inode: Inode,
  name: string,
  target?: string,
): string {
  const size = inode.rdev === undefined
    ? String(inode.size)
    : `${(inode.rdev >>> 8) & 0xfff},${
      (inode.rdev & 0xff) | ((inode.rdev >>> 12) & 0xfff00)
    }`;
  return [
    formatMode(inode),
    String(inode.linkCount).padStart(3),
    String(inode.uid).padStart(5),
    String(inode.gid).padStart(5),
    size.padStart(11),
    formatTime(inode.mtime),
    target === undefined ? name : `${name} -> ${target}`,
  ].join(" ");
}

function formatTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  // a damaged inode may name a time that no calendar has
  if (Number.isNaN(time.getTime())) return String(seconds).padStart(16);
  return time.toISOString().slice(0, 16).replace("T", " ");
}

function formatMode({ type, mode }: Inode): string {
  const bits = [...mode.toString(8).padStart(4, "0").slice(-3)]
    .map((digit) => Number(digit))
    .map((n) => [n & 4 ? "r" : "-", n & 2 ? "w" : "-", n & 1 ? "x" : "-"]);
  const special = [[0o4000, 0, "s"], [0o2000, 1, "s"], [
    0o1000,
    2,
    "t",
  ]] as const;
  for (const [bit, who, letter] of special) {
    if (mode & bit) {
      bits[who]![2] = bits[who]![2] === "x" ? letter : letter.toUpperCase();
    }
  }
  return LETTERS[type] + bits.flat().join("");
}

/** A name as a terminal may show it: control characters and bytes that are not UTF-8 become `?`. */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cs}\p{Cf}]/gu, "?");
}
