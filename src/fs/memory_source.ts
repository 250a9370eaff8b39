/**
 * A file system made of objects in memory, for tests and examples.
 *
 * @module
 */

import { openMemory } from "../block/memory.ts";
import type { BlockReader, ReadOptions } from "../block/reader.ts";
import { encodeName } from "../bytes/text.ts";
import type {
  DirectoryEntry,
  FileType,
  Inode,
  InodeSource,
} from "./filesystem.ts";

/** What an inode holds; everything but the type may be left out. */
export interface InodeDescription {
  readonly type: FileType;
  /** Of a regular file. */
  readonly content?: Uint8Array | string;
  /** Of a link. */
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly rdev?: number;
}

/** An inode by its path. Directories above it are made when they are not described. */
export interface PathDescription extends InodeDescription {
  readonly path: string;
}

/** A second name of what another path describes. */
export interface LinkDescription {
  readonly path: string;
  readonly hardLinkTo: string;
}

interface Node {
  readonly inode: Inode;
  readonly content: Uint8Array;
  readonly target: string;
  readonly names: Map<string, number>;
}

let made = 0;

/** Inodes and names in memory. Nothing stops a test from linking directories into a loop. */
export class MemorySource implements InodeSource {
  readonly kind = "memory";
  readonly blockSize = 512;
  readonly name = "memory";
  readonly identity = `memory-source:${++made}`;
  readonly rootNumber: number;
  /** Calls so far, for tests of caches. */
  readonly calls = { inode: 0, lookup: 0, list: 0, readLink: 0 };
  readonly #nodes: Node[] = [];

  constructor() {
    this.rootNumber = this.add({ type: "directory", mode: 0o755 });
  }

  /** Makes the tree that the entries describe, in their order. */
  static from(
    entries: Iterable<PathDescription | LinkDescription>,
  ): MemorySource {
    const source = new MemorySource();
    for (const entry of entries) {
      const names = entry.path.split("/").filter((name) => name !== "");
      const name = names.pop();
      if (name === undefined) continue;
      let directory = source.rootNumber;
      for (const part of names) {
        const next = source.#node(directory).names.get(part);
        directory = next ?? source.link(
          directory,
          part,
          source.add({ type: "directory", mode: 0o755 }),
        );
      }
      const number = "hardLinkTo" in entry
        ? source.numberOf(entry.hardLinkTo)
        : source.add(entry);
      source.link(directory, name, number);
    }
    return source;
  }

  /** Makes an inode without a name and gives its number. */
  add(description: InodeDescription): number {
    const number = this.#nodes.length + 1;
    const { content = "", target = "", type } = description;
    const bytes = typeof content === "string" ? encodeName(content) : content;
    const size = type === "symlink" ? encodeName(target).length : bytes.length;
    this.#nodes.push({
      content: bytes,
      target,
      names: new Map(),
      inode: {
        number,
        type,
        size,
        mode: description.mode ?? (type === "symlink" ? 0o777 : 0o644),
        uid: description.uid ?? 0,
        gid: description.gid ?? 0,
        mtime: description.mtime ?? 0,
        linkCount: 0,
        ...(description.rdev === undefined ? {} : { rdev: description.rdev }),
      },
    });
    return number;
  }

  /** Gives an inode a name in a directory; returns its number. */
  link(directory: number, name: string, number: number): number {
    this.#node(directory).names.set(name, number);
    const node = this.#node(number);
    this.#nodes[number - 1] = {
      ...node,
      inode: { ...node.inode, linkCount: node.inode.linkCount + 1 },
    };
    return number;
  }

  /** Number of the inode at a path without links. */
  numberOf(path: string): number {
    let number = this.rootNumber;
    for (const name of path.split("/").filter((name) => name !== "")) {
      const next = this.#node(number).names.get(name);
      if (next === undefined) throw new RangeError(`No "${path}" in memory`);
      number = next;
    }
    return number;
  }

  inode(number: number, options?: ReadOptions): Promise<Inode> {
    return this.#answer(options, () => {
      this.calls.inode++;
      return this.#node(number).inode;
    });
  }

  lookup(
    directory: Inode,
    name: string,
    options?: ReadOptions,
  ): Promise<number | undefined> {
    return this.#answer(options, () => {
      this.calls.lookup++;
      return this.#node(directory.number).names.get(name);
    });
  }

  async *list(
    directory: Inode,
    options?: ReadOptions,
  ): AsyncGenerator<DirectoryEntry, void, undefined> {
    this.calls.list++;
    for (const [name, number] of this.#node(directory.number).names) {
      options?.signal?.throwIfAborted();
      yield await Promise.resolve({
        name,
        number,
        type: this.#node(number).inode.type,
      });
    }
  }

  readLink(link: Inode, options?: ReadOptions): Promise<string> {
    return this.#answer(options, () => {
      this.calls.readLink++;
      return this.#node(link.number).target;
    });
  }

  open(file: Inode): BlockReader {
    return openMemory(this.#node(file.number).content, {
      name: this.name,
      identity: `${this.identity}|inode:${file.number}`,
    });
  }

  #node(number: number): Node {
    const node = this.#nodes[number - 1];
    if (node === undefined) throw new RangeError(`No inode ${number}`);
    return node;
  }

  // deno-lint-ignore require-await -- throwing must reject
  async #answer<T>(
    options: ReadOptions | undefined,
    answer: () => T,
  ): Promise<T> {
    options?.signal?.throwIfAborted();
    return answer();
  }
}
