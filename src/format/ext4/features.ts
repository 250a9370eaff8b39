/**
 * Features by the names that `dumpe2fs` prints, and what they mean to a reader.
 *
 * @module
 */

/** Bits of `s_feature_compat`: none of them matters to who reads. */
const COMPAT = {
  dir_prealloc: 0x1,
  imagic_inodes: 0x2,
  has_journal: 0x4,
  ext_attr: 0x8,
  resize_inode: 0x10,
  dir_index: 0x20,
  lazy_bg: 0x40,
  snapshot_bitmap: 0x100,
  sparse_super2: 0x200,
  fast_commit: 0x400,
  stable_inodes: 0x800,
  orphan_file: 0x1000,
} as const;

/** Bits of `s_feature_incompat`: who does not know one must not read. */
const INCOMPAT = {
  compression: 0x1,
  filetype: 0x2,
  needs_recovery: 0x4,
  journal_dev: 0x8,
  meta_bg: 0x10,
  extent: 0x40,
  "64bit": 0x80,
  mmp: 0x100,
  flex_bg: 0x200,
  ea_inode: 0x400,
  dirdata: 0x1000,
  metadata_csum_seed: 0x2000,
  large_dir: 0x4000,
  inline_data: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const;

/** Bits of `s_feature_ro_compat`: who does not know one may read. */
const RO_COMPAT = {
  sparse_super: 0x1,
  large_file: 0x2,
  btree_dir: 0x4,
  huge_file: 0x8,
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  snapshot: 0x80,
  quota: 0x100,
  bigalloc: 0x200,
  metadata_csum: 0x400,
  replica: 0x800,
  "read-only": 0x1000,
  project: 0x2000,
  shared_blocks: 0x4000,
  verity: 0x8000,
  orphan_present: 0x10000,
} as const;

/** A feature that this reader knows by name. */
export type Ext4Feature =
  | keyof typeof COMPAT
  | keyof typeof INCOMPAT
  | keyof typeof RO_COMPAT;

/** Known, and not read: content or names lie differently with them. */
const REFUSED: readonly string[] = ["compression", "journal_dev", "dirdata"];

/** The bit of `s_feature_incompat` that says that the journal must be replayed. */
export const INCOMPAT_RECOVER: number = INCOMPAT.needs_recovery;

/** What ext3 knows of `s_feature_incompat` and `s_feature_ro_compat`; more makes an ext4. */
const EXT3_INCOMPAT = INCOMPAT.filetype | INCOMPAT.needs_recovery |
  INCOMPAT.meta_bg;
const EXT3_RO_COMPAT = RO_COMPAT.sparse_super | RO_COMPAT.large_file |
  RO_COMPAT.btree_dir;

/** The three words of a superblock. */
export interface FeatureWords {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

/** Names of the features in use; unknown bits as `FEATURE_I31`, the way `dumpe2fs` names them. */
export function featureNames(words: FeatureWords): string[] {
  return [
    ...names(words.compat, COMPAT, "C"),
    ...names(words.incompat, INCOMPAT, "I"),
    ...names(words.roCompat, RO_COMPAT, "R"),
  ];
}

/** Names of those that keep us from reading. */
export function refusedFeatures({ incompat }: FeatureWords): string[] {
  return names(incompat, INCOMPAT, "I").filter((name) =>
    REFUSED.includes(name) || name.startsWith("FEATURE_")
  );
}

/** Which of its names a file system goes by, as `blkid` tells them apart. */
export function kindOf(words: FeatureWords): "ext2" | "ext3" | "ext4" {
  if (words.incompat & ~EXT3_INCOMPAT || words.roCompat & ~EXT3_RO_COMPAT) {
    return "ext4";
  }
  return words.compat & COMPAT.has_journal ? "ext3" : "ext2";
}

function names(
  word: number,
  table: Readonly<Record<string, number>>,
  letter: string,
): string[] {
  const known = Object.entries(table).filter(([, bit]) => word & bit);
  let rest = word;
  for (const [, bit] of known) rest &= ~bit;
  const unknown = Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => rest & (1 << bit))
    .map((bit) => `FEATURE_${letter}${bit}`);
  return [...known.map(([name]) => name), ...unknown];
}
