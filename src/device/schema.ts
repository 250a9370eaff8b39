/**
 * The form of a device profile's file: `devpros/schema.json` is made of it.
 *
 * Every mapping refuses keys that it does not know. What spans several keys is in `rules.ts`.
 *
 * @module
 */

// `zod/mini`: the same checks as `zod` in a sixteenth of the bytes
import * as z from "zod/mini";

const U32_MAX = 0xffff_ffff;
/** Commands of fastboot have at most 64 bytes, `getvar:` included. */
const MAX_VARIABLE = 57;

const uint = (maximum: number, description: string) =>
  z.int().check(z.minimum(0), z.maximum(maximum), z.describe(description));

/** The message of a check says what is expected. */
const text = (pattern: RegExp, expected: string, description: string) =>
  z.string().check(z.regex(pattern, expected), z.describe(description));

const ID = text(
  /^[a-z0-9][a-z0-9._+-]{0,63}$/,
  'lower-case letters, digits, ".", "_", "+" and "-", at most 64, a letter or digit first',
  "Key of the phone: maker and code name, as in oneplus-fajita",
);

const DEVICETREE_NAME = z.nullable(text(
  /^(?!.*\.dtb$)(?:(?!\.\.?(?:\/|$))[A-Za-z0-9._,+-]+\/)*(?!\.\.?$)[A-Za-z0-9._,+-]+$/,
  "a relative path without .dtb, as in qcom/sdm845-oneplus-fajita",
  "Path of the device tree below the kernel's folder of device trees, without .dtb",
)).check(z.describe("null where the machine brings its own device tree"));

const MACHINE = z.enum(["aarch64", "x86_64"])
  .check(z.describe("Processor, as uname -m names it; aarch64 when absent"));

const VARIABLE = text(
  new RegExp(`^[!-~]{1,${MAX_VARIABLE}}$`),
  `1 to ${MAX_VARIABLE} printable ASCII characters without spaces`,
  "Variable of the bootloader, as in product",
);

const MODULE = text(
  /^(?!.*\.ko)[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  "the name of a module without folder and without .ko",
  "Kernel module, - and _ are the same",
);

const CMDLINE = text(
  // printable: a bootloader may cut at anything else
  /^[ -~\u00a0-\uffff]*$/,
  "text in one line without control characters",
  "First part of the kernel's command line",
);

const DISPLAY_NAME = text(
  /^[ -~\u00a0-\uffff]{1,100}$/,
  "1 to 100 characters in one line",
  "Name for people",
);

const VALUE = z.string().check(z.describe("Value of the variable"));
const NOTHING = z.null().check(z.describe("Nothing after the colon"));

const PROBE_STEP = z.strictObject({
  "fastboot.getvar": VARIABLE,
  equals: z.optional(VALUE),
  starts_with: z.optional(VALUE),
  not_equals: z.optional(VALUE),
  exists: z.optional(NOTHING),
  not_exists: z.optional(NOTHING),
}).check(z.meta({
  description:
    "A variable of the bootloader and exactly one demand on its value",
  minProperties: 2,
  maxProperties: 2,
}));

const MATCH = z.strictObject({
  fastboot: z.strictObject({
    vid: uint(0xffff, "USB vendor id"),
    pid: uint(0xffff, "USB product id"),
  }),
});

const LIMITS = z.strictObject({
  max_kernel_bytes: z.optional(
    uint(Number.MAX_SAFE_INTEGER, "Kernel as stored; 0: none"),
  ),
  max_initrd_bytes: z.optional(
    uint(Number.MAX_SAFE_INTEGER, "Initramfs as stored; 0: none"),
  ),
  max_total_bytes: z.optional(
    uint(Number.MAX_SAFE_INTEGER, "Whole boot image; 0: none"),
  ),
});

const BOOTIMG = z.strictObject({
  header_version: z.literal([0, 1, 2, 3, 4]),
  page_size: z.literal([2048, 4096, 8192, 16384, 32768, 65536]),
  base: z.optional(uint(U32_MAX, "Added to every offset; 0 when absent")),
  kernel_offset: z.optional(uint(U32_MAX, "0x8000 when absent")),
  ramdisk_offset: z.optional(uint(U32_MAX, "0x1000000 when absent")),
  second_offset: z.optional(uint(U32_MAX, "0xf00000 when absent")),
  tags_offset: z.optional(uint(U32_MAX, "0x100 when absent")),
  dtb_offset: z.optional(
    uint(Number.MAX_SAFE_INTEGER, "0x1f00000 when absent"),
  ),
  limits: z.optional(LIMITS),
  kernel: z.strictObject({
    encoding: z.enum([
      "image",
      "image+dtb",
      "image.gz",
      "image.gz+dtb",
      "image.lz4",
      "image.lz4+dtb",
      "image.zst",
      "image.zst+dtb",
    ]),
  }),
  initrd: z.optional(z.strictObject({
    compress: z.optional(z.enum(["none", "gzip", "lz4", "zstd"])),
  })),
  cmdline_append: z.optional(CMDLINE),
});

/** The form of the file, with `bootimg` as another name of `android_bootimg`. */
export const PROFILE_SCHEMA = z.strictObject({
  id: ID,
  display_name: z.optional(DISPLAY_NAME),
  machine: z.optional(MACHINE),
  devicetree_name: DEVICETREE_NAME,
  match: z.array(MATCH).check(z.minLength(1), z.maxLength(64)),
  probe: z.array(PROBE_STEP).check(z.maxLength(64)),
  boot: z.strictObject({
    fastboot_boot: z.strictObject({
      android_bootimg: z.optional(BOOTIMG),
      bootimg: z.optional(BOOTIMG),
    }).check(z.meta({ minProperties: 1, maxProperties: 1 })),
  }),
  stage0: z.optional(z.strictObject({
    kernel_modules: z.optional(
      z.array(MODULE).check(
        z.maxLength(256),
        z.describe("Modules that bring up USB, in the order to load them"),
      ),
    ),
  })),
});

/** A file that has passed {@linkcode PROFILE_SCHEMA}. */
export type ProfileFile = z.infer<typeof PROFILE_SCHEMA>;

/** The keys that a mapping at `path` may have; empty when there is no mapping. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: z.core.$ZodType | undefined = PROFILE_SCHEMA;
  for (const part of path) {
    const def = definition(schema);
    schema = def?.type === "array" ? def.element : def?.shape?.[String(part)];
  }
  return Object.keys(definition(schema)?.shape ?? {});
}

/** Where else in the form a key is valid, as paths without list indexes. */
export function placesOf(key: string): readonly string[] {
  const places: string[] = [];
  const search = (schema: z.core.$ZodType | undefined, path: string) => {
    const def = definition(schema);
    if (def?.type === "array") return search(def.element, `${path}[]`);
    for (const [name, below] of Object.entries(def?.shape ?? {})) {
      if (name === key) places.push(path);
      // the second name of the same mapping
      if (name !== "bootimg") search(below, path ? `${path}.${name}` : name);
    }
  };
  search(PROFILE_SCHEMA, "");
  return places;
}

interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly innerType?: z.core.$ZodType;
}

function definition(
  schema: z.core.$ZodType | undefined,
): Definition | undefined {
  const def = schema?._zod.def as Definition | undefined;
  return def?.type === "optional" ? definition(def.innerType) : def;
}
