/**
 * Reads a flattened device tree into nodes, for scripts that ask what a phone is made of.
 *
 * @see Devicetree Specification 0.4, chapter 5
 * @module
 */

const FDT_MAGIC = 0xd00dfeed;
const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_NOP = 4;
const FDT_END = 9;

/** A node with its properties as they are in the file. */
export class TreeNode {
  readonly name: string;
  readonly parent: TreeNode | undefined;
  readonly properties = new Map<string, Uint8Array>();
  readonly children: TreeNode[] = [];

  constructor(name: string, parent?: TreeNode) {
    this.name = name;
    this.parent = parent;
  }

  get path(): string {
    if (this.parent === undefined) return "/";
    return `${this.parent.path.replace(/\/$/, "")}/${this.name}`;
  }

  /** A property as big-endian numbers; empty when it is not there. */
  cells(property: string): number[] {
    const bytes = this.properties.get(property);
    if (bytes === undefined) return [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from(
      { length: bytes.length >> 2 },
      (_, i) => view.getUint32(i * 4),
    );
  }

  /** A property as a list of texts; empty when it is not there. */
  texts(property: string): string[] {
    const bytes = this.properties.get(property);
    if (bytes === undefined) return [];
    return new TextDecoder().decode(bytes).split("\0").slice(0, -1);
  }

  /** Neither the node nor one above it is switched off. */
  get enabled(): boolean {
    const [status = "okay"] = this.texts("status");
    return (status === "okay" || status === "ok") &&
      (this.parent?.enabled ?? true);
  }

  /** This node and all below it. */
  *all(): Iterable<TreeNode> {
    yield this;
    for (const child of this.children) yield* child.all();
  }
}

/** Reads a `.dtb`; throws when it is none. */
export function parseDeviceTree(bytes: Uint8Array): TreeNode {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.getUint32(0);
  if (magic !== FDT_MAGIC) {
    throw new Error(
      `Cannot read device tree: magic is 0x${magic.toString(16)}, expected 0x${
        FDT_MAGIC.toString(16)
      }`,
    );
  }
  let at = view.getUint32(8);
  const strings = view.getUint32(12);
  const text = (start: number) =>
    new TextDecoder().decode(
      bytes.subarray(start, bytes.indexOf(0, start)),
    );
  const next = () => {
    at += 4;
    return view.getUint32(at - 4);
  };
  let root: TreeNode | undefined;
  let node: TreeNode | undefined;
  for (let token = next(); token !== FDT_END; token = next()) {
    if (token === FDT_BEGIN_NODE) {
      const end = bytes.indexOf(0, at);
      const child: TreeNode = new TreeNode(text(at), node);
      at = (end + 4) & ~3;
      node?.children.push(child);
      node = child;
      root ??= child;
    } else if (token === FDT_END_NODE) node = node?.parent;
    else if (token === FDT_PROP) {
      const size = next();
      const name = text(strings + next());
      node?.properties.set(name, bytes.subarray(at, at + size));
      at = (at + size + 3) & ~3;
    } else if (token !== FDT_NOP) {
      throw new Error(
        `Cannot read device tree: token ${token} at byte ${at - 4}`,
      );
    }
  }
  if (root === undefined) throw new Error("Cannot read device tree: no root");
  return root;
}
