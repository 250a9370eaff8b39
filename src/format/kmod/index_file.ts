/**
 * The binary indexes of kmod: `modules.dep.bin` and its kin.
 *
 * @module
 */

import { struct, u32be } from "../../bytes/struct.ts";
import { FormatError } from "../../errors.ts";

/** kmod, libkmod/libkmod-index.c, "Disk format"; all numbers big-endian. */
const IndexHeader = struct("kmod index header", {
  magic: u32be,
  version: u32be,
  root: u32be,
});
/** `INDEX_MAGIC` */
const MAGIC = 0xb007f457;
/** `INDEX_VERSION_MAJOR` */
const MAJOR = 2;
/** `INDEX_NODE_PREFIX`, `…_VALUES`, `…_CHILDS` and `…_MASK`: what a node's offset says of it. */
const HAS_PREFIX = 0x80000000, HAS_VALUES = 0x40000000;
const HAS_CHILDREN = 0x20000000, OFFSET = 0x0fffffff;

/**
 * Reads all of an index: its keys, each with its values in the order of their priority.
 *
 * @param name What messages call it.
 * @throws {FormatError} `module.damaged-index`
 */
export function parseKmodIndex(
  bytes: Uint8Array,
  name: string,
): Map<string, string[]> {
  const found = new Map<string, string[]>();
  if (bytes.length < IndexHeader.size) {
    throw damaged(name, 0, `${bytes.length} bytes`, "a header of 12");
  }
  const { magic, version, root } = IndexHeader.read(bytes);
  if (magic !== MAGIC) throw damaged(name, 0, hex(magic), hex(MAGIC));
  if (version >>> 16 !== MAJOR) {
    throw damaged(name, 4, `version ${version >>> 16}`, `version ${MAJOR}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const take = (size: number) => {
    const start = at;
    at += size;
    if (at > bytes.length) {
      throw damaged(name, start, `${bytes.length - start} bytes`, `${size}`);
    }
    return start;
  };
  const text = () => {
    const end = bytes.indexOf(0, at);
    if (end < 0) throw damaged(name, at, "no end of text", "a zero byte");
    const value = decode(bytes.subarray(at, end));
    at = end + 1;
    return value;
  };

  const seen = new Set<number>();
  const todo: { node: number; key: string }[] = [{ node: root, key: "" }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    at = next.node & OFFSET;
    if (at === 0) continue;
    // In a tree each node has one parent; in a damaged one it may be its own.
    if (seen.has(at)) throw damaged(name, at, "a node again", "a tree");
    seen.add(at);
    const key = next.key + ((next.node & HAS_PREFIX) === 0 ? "" : text());
    if ((next.node & HAS_CHILDREN) !== 0) {
      const first = bytes[take(1)]!, last = bytes[take(1)]!;
      for (let code = first; code <= last; code++) {
        const child = view.getUint32(take(4));
        if (child !== 0) {
          todo.push({ node: child, key: key + String.fromCharCode(code) });
        }
      }
    }
    if ((next.node & HAS_VALUES) === 0) continue;
    const count = view.getUint32(take(4));
    const values: { priority: number; value: string }[] = [];
    for (let i = 0; i < count; i++) {
      values.push({ priority: view.getUint32(take(4)), value: text() });
    }
    values.sort((a, b) => a.priority - b.priority);
    found.set(key, values.map(({ value }) => value));
  }
  return found;
}

const latin1 = new TextDecoder("latin1");
/** Keys and values are ASCII. */
function decode(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function damaged(
  name: string,
  offset: number,
  found: string,
  expected: string,
): FormatError {
  return new FormatError(
    "module.damaged-index",
    `Cannot read module index "${name}" at byte ${offset}: found ${found}, expected ${expected}; the file may be damaged`,
    { facts: { name, offset, found, expected } },
  );
}
