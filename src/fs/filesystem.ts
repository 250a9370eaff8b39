/**
 * The contract of everything that holds files: what a format implements ({@linkcode InodeSource})
 * and what its users call ({@linkcode FileSystem}). Paths and links are resolved in one place,
 * `open_paths.ts`, for all formats.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../block/reader.ts";

/** What an inode is. */
export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

/** One inode's attributes, as `lstat` gives them. */
export interface Inode {
  /** The format's own number, unique within the file system. */
  readonly number: number;
  /** What it is. */
  readonly type: FileType;
  /** Bytes of the content; of a link, the bytes of its target. */
  readonly size: number;
  /** Permission, set-id and sticky bits: `mode & 0o7777`. */
  readonly mode: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly mtime: number;
  /** Names it has, as the inode states. */
  readonly linkCount: number;
  /** Device number as Linux encodes it (`new_encode_dev`); only of devices. */
  readonly rdev?: number;
}

/** One name in a directory. `.` and `..` are never listed. */
export interface DirectoryEntry {
  /** UTF-8; bytes that are not UTF-8 stand as lone surrogates U+DC80 to U+DCFF, see `bytes/text.ts`. */
  readonly name: string;
  /** The inode it names. */
  readonly number: number;
  /** Type as the directory states it, without reading the inode; absent where the format has none. */
  readonly type?: FileType;
}

/** What a format implements: inodes and directories, no paths. */
export interface InodeSource {
  /** The format, for people: `erofs`, `ext4`. */
  readonly kind: string;
  /** Bytes. */
  readonly blockSize: number;
  /** What people call the image, for messages. */
  readonly name: string;
  /** Names the content, as that of a reader does. */
  readonly identity: string;
  /** Names of the on-disk features in use, as the format's own tools print them. */
  readonly features?: readonly string[];
  /** Number of the root directory's inode. */
  readonly rootNumber: number;
  /** Reads one inode. */
  inode(number: number, options?: ReadOptions): Promise<Inode>;
  /** Finds `name` in a directory; `undefined` when it is not there. */
  lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined>;
  /** Lists a directory in its own order. */
  list(directory: Inode, options?: ReadOptions): AsyncIterable<DirectoryEntry>;
  /** Target of a link, as stored. */
  readLink(link: Inode, options?: ReadOptions): Promise<string>;
  /** Content of a regular file. Reads nothing until it is read. */
  open(file: Inode): BlockReader;
}

/** What {@linkcode FileSystem.walk} yields. */
export interface WalkEntry {
  /** Absolute within the file system: `/usr/bin/env`; the start is given as the caller named it. */
  readonly path: string;
  /** Its attributes. */
  readonly inode: Inode;
}

/**
 * A file system as its users see it. Paths are absolute or relative to its root, `.` and `..` are
 * allowed (`..` of the root is the root), links are resolved inside the image: an absolute target
 * starts at the image's root.
 *
 * @throws {FormatError} `fs.not-found`, `fs.not-a-directory`, `fs.not-a-file`, `fs.not-a-link`,
 * `fs.link-loop` (more than 40 links, as Linux), `fs.name-too-long` (a name over 255 or a path
 * over 4095 bytes), beside what the format throws.
 */
export interface FileSystem {
  /** The format, for people: `erofs`, `ext4`. */
  readonly kind: string;
  /** Bytes. */
  readonly blockSize: number;
  /** What people call the image, for messages. */
  readonly name: string;
  /** Names the content, as that of a reader does. */
  readonly identity: string;
  /** The format below, for what paths cannot say. */
  readonly source: InodeSource;
  /** Attributes of what `path` leads to, links followed. */
  stat(path: string, options?: ReadOptions): Promise<Inode>;
  /** Attributes of `path` itself: a link in the last place is not followed. */
  lstat(path: string, options?: ReadOptions): Promise<Inode>;
  /** As {@linkcode FileSystem.stat}, but `undefined` when nothing is there. */
  find(path: string, options?: ReadOptions): Promise<Inode | undefined>;
  /** The path without links, `.` and `..` that `path` leads to. */
  resolve(path: string, options?: ReadOptions): Promise<string>;
  /** Names in a directory, in the format's own order. */
  list(path: string, options?: ReadOptions): AsyncIterable<DirectoryEntry>;
  /** Target of a link, as stored. */
  readLink(path: string, options?: ReadOptions): Promise<string>;
  /** Content of a regular file, links followed. */
  open(path: string, options?: ReadOptions): Promise<BlockReader>;
  /**
   * `path` and everything below it, parents before children; links are yielded, not followed.
   *
   * @throws {FormatError} `fs.directory-loop`, `fs.directory-shared` (a directory with two names),
   * `fs.too-deep` (more than 2048 levels), `fs.bad-name`: the image is damaged.
   */
  walk(path?: string, options?: ReadOptions): AsyncIterable<WalkEntry>;
}
