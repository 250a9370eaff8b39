/**
 * What a core file may name and import, see docs/DESIGN.md: the core runs wherever the web platform
 * does, and imports point inward.
 *
 * @module
 */

const READING = ["bytes", "wasm", "block", "fs", "format"];
const TALKING = ["fastboot", "usb", "serve", "device"];

/** The areas under `src/`, each with those it may import from besides itself and `errors.ts`. */
const AREAS: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  wasm: ["bytes"],
  block: ["bytes", "wasm"],
  http: ["bytes", "block"],
  fs: ["bytes", "block"],
  format: ["bytes", "wasm", "block", "fs"],
  image: READING,
  // documents are read as profiles are
  pipeline: [...READING, "image", "device"],
  fastboot: ["bytes", "block"],
  usb: ["bytes", "block"],
  serve: ["bytes", "block", "usb"],
  // a profile that no boot image could be made from is refused when it is read
  device: ["bytes", "block", "format", "usb", "fastboot"],
  boot: [...READING, "image", ...TALKING],
  phone: [...READING, "image", ...TALKING],
};

/** Files that join what their areas keep apart, with what they may import besides. */
const JOINTS: Readonly<Record<string, readonly string[]>> = {
  "fastboot/tcp_transport.ts": ["usb"],
  "fastboot/usb_interface.ts": ["usb"],
  "fastboot/usb_open.ts": ["usb"],
  "fastboot/usb_transport.ts": ["usb"],
};

const RUNTIME_NAMES = "Deno|Bun|process|navigator";

/**
 * What is wrong with a file of the core, one line each; nothing when it is pure.
 *
 * @param path Relative to `src/`, or `../mod.ts`.
 */
export function findImpurities(path: string, text: string): string[] {
  const found: string[] = [];
  const { code, specifiers } = scan(text);
  // `.process` is a member of something else.
  const bare = new RegExp(`(?<![.\\w$#])(?:${RUNTIME_NAMES})\\b`, "g");
  for (const { 0: name, index } of code.matchAll(bare)) {
    if (!isKey(code, index, name.length)) found.push(`names ${name}`);
  }
  const member = new RegExp(
    `\\b(?:globalThis|self)\\s*(?:\\??\\.\\s*(?:${RUNTIME_NAMES})\\b|(?:\\?\\.)?\\[)`,
    "g",
  );
  for (const [name] of code.matchAll(member)) found.push(`names ${name}`);
  for (const specifier of specifiers) {
    const wrong = judgeImport(path, specifier);
    if (wrong !== undefined) found.push(wrong);
  }
  return found;
}

/** Tells whether a name only declares a member or parameter: `{ process: 1 }`. */
function isKey(code: string, index: number, length: number): boolean {
  return /^\s*\??:(?!:)/.test(code.slice(index + length)) &&
    /(?:[{,;(]|\breadonly)\s*$/.test(code.slice(0, index));
}

function judgeImport(path: string, specifier: string): string | undefined {
  if (/^[a-z]+:/.test(specifier)) return `imports ${specifier}`;
  if (!specifier.startsWith(".")) return undefined;
  const url = new URL(specifier, `file:///root/src/${path}`).pathname;
  if (!url.startsWith("/root/src/")) return `imports ${specifier}`;
  const target = url.slice("/root/src/".length);
  const to = areaOf(target);
  if (to === "adapters") return `imports the adapter ${specifier}`;
  const from = areaOf(path);
  if (to === "errors.ts" || to === from || from === "..") return undefined;
  const allowed = AREAS[from];
  if (allowed === undefined) {
    return `lies in the area "${from}", of which nobody said what it may import`;
  }
  if ([...allowed, ...JOINTS[path] ?? []].includes(to)) return undefined;
  return `imports ${specifier}: ${from} must not import from ${to}`;
}

function areaOf(path: string): string {
  return path.split("/")[0]!;
}

/**
 * The code without comments and the contents of strings, and the specifiers of its imports.
 *
 * Knows strings, templates with code in them, comments, and regular expressions where a value may
 * begin.
 */
function scan(text: string): { code: string; specifiers: string[] } {
  let code = "";
  const specifiers: string[] = [];
  /** For each template we are in the code of: open braces. */
  const braces: number[] = [];
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'|[`{}/]/g;
  let at = 0;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [found] = match;
    code += text.slice(at, match.index);
    at = token.lastIndex;
    if (found.startsWith("//") || found.startsWith("/*")) code += " ";
    else if (found[0] === '"' || found[0] === "'") {
      if (/\b(?:from|import)\s*\(?\s*$/.test(code)) {
        specifiers.push(found.slice(1, -1));
      }
      code += '""';
    } else if (found === "`") {
      at = template(at);
    } else if (found === "{") {
      if (braces.length > 0) braces[braces.length - 1]!++;
      code += found;
    } else if (found === "}") {
      if (braces.length > 0 && braces[braces.length - 1]!-- === 0) {
        braces.pop();
        code += " ";
        at = template(at);
      } else code += found;
    } else if (/(?:^|[=(,:;!&|?{}[+]|\breturn|=>)\s*$/.test(code)) {
      const end = /(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//y;
      end.lastIndex = at;
      if (end.test(text)) at = end.lastIndex;
      code += "0";
    } else code += found;
    token.lastIndex = at;
  }
  return { code: code + text.slice(at), specifiers };

  /** Skips template text from `start`; stops behind its end or where code in it begins. */
  function template(start: number): number {
    const stop = /\\[\s\S]|`|\$\{/g;
    stop.lastIndex = start;
    for (let match = stop.exec(text); match; match = stop.exec(text)) {
      if (match[0] === "`") {
        code += '""';
        return stop.lastIndex;
      }
      if (match[0] === "${") {
        braces.push(0);
        code += " ";
        return stop.lastIndex;
      }
    }
    return text.length;
  }
}
