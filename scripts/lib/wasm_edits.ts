/**
 * What is changed in the upstream sources of the WASM core.
 *
 * @module
 */
import type { Edit } from "./upstream.ts";

/*
 * Upstream takes a pointer of 32 bits for a machine of 32 bits. A wasm32 engine has 64-bit
 * registers, so reservoirs of 64 bits cost the same and are filled half as often. Measured on V8 with
 * Debian's arm64 kernel: zstd decodes 1.25 times as fast, LZ4 compresses 1.1 to 1.25 times as fast;
 * libdeflate gains nothing and is left alone. For zstd only the decoder is built this way
 * (FB_64BIT_CONTAINERS): its compressor keeps bits in a size_t.
 */
/** In the order in which they are made. */
export const WASM_EDITS: readonly Edit[] = [
  {
    // Levels 10 to 12 take minutes for a kernel and 30 KiB of code.
    file: "libdeflate-1.23/lib/deflate_compress.c",
    find: "#define SUPPORT_NEAR_OPTIMAL_PARSING	1",
    replace: "#define SUPPORT_NEAR_OPTIMAL_PARSING	0",
  },
  {
    file: "lz4-1.10.0/lib/lz4.c",
    find: "  typedef size_t reg_t;   /* 32-bits in x32 mode */",
    replace: "  typedef U64    reg_t;",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC size_t MEM_readLEST(const void* memPtr);",
    replace: `#ifdef FB_64BIT_CONTAINERS
typedef U64 FB_container;
#define FB_CONTAINER_SIZE 8
#else
typedef size_t FB_container;
#define FB_CONTAINER_SIZE sizeof(size_t)
#endif
MEM_STATIC FB_container MEM_readLEST(const void* memPtr);`,
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC void MEM_writeLEST(void* memPtr, size_t val);",
    replace: "MEM_STATIC void MEM_writeLEST(void* memPtr, FB_container val);",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find:
      "MEM_STATIC unsigned MEM_32bits(void) { return sizeof(size_t)==4; }\nMEM_STATIC unsigned MEM_64bits(void) { return sizeof(size_t)==8; }",
    replace:
      "MEM_STATIC unsigned MEM_32bits(void) { return FB_CONTAINER_SIZE==4; }\nMEM_STATIC unsigned MEM_64bits(void) { return FB_CONTAINER_SIZE==8; }",
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: `MEM_STATIC size_t MEM_readLEST(const void* memPtr)
{
    if (MEM_32bits())
        return (size_t)MEM_readLE32(memPtr);
    else
        return (size_t)MEM_readLE64(memPtr);
}`,
    replace: `MEM_STATIC FB_container MEM_readLEST(const void* memPtr)
{
    if (MEM_32bits())
        return (FB_container)MEM_readLE32(memPtr);
    else
        return (FB_container)MEM_readLE64(memPtr);
}`,
  },
  {
    file: "zstd-1.5.7/lib/common/mem.h",
    find: "MEM_STATIC void MEM_writeLEST(void* memPtr, size_t val)\n{",
    replace: "MEM_STATIC void MEM_writeLEST(void* memPtr, FB_container val)\n{",
  },
  {
    file: "zstd-1.5.7/lib/common/bitstream.h",
    find: "typedef size_t BitContainerType;",
    replace: "typedef FB_container BitContainerType;",
  },
  {
    file: "zstd-1.5.7/lib/common/bitstream.h",
    find:
      "MEM_STATIC size_t BIT_readBitsFast(BIT_DStream_t* bitD, unsigned nbBits);",
    replace:
      "MEM_STATIC BitContainerType BIT_readBitsFast(BIT_DStream_t* bitD, unsigned nbBits);",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "static size_t HUF_initFastDStream(BYTE const* ip) {",
    replace: "static U64 HUF_initFastDStream(BYTE const* ip) {",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "    size_t const value = MEM_readLEST(ip) | 1;",
    replace: "    U64 const value = MEM_readLEST(ip) | 1;",
  },
  {
    file: "zstd-1.5.7/lib/decompress/huf_decompress.c",
    find: "    bit->limitPtr = bit->start + sizeof(size_t);",
    replace: "    bit->limitPtr = bit->start + sizeof(bit->bitContainer);",
  },
  // Work that grows with the input is paid for, see wasm/src/fdt_work.h.
  {
    file: "dtc-1.7.2/libfdt/fdt.c",
    find: "	if (offset < 0)\n		return NULL;\n",
    replace: "	if (offset < 0 || fb_fdt_spend(1))\n		return NULL;\n",
  },
  {
    file: "dtc-1.7.2/libfdt/fdt.c",
    find: "	for (p = strtab; p <= last; p++)",
    replace: "	fb_fdt_spend(tabsize);\n	for (p = strtab; p <= last; p++)",
  },
  {
    file: "dtc-1.7.2/libfdt/fdt_ro.c",
    find: "		*lenp = n - s;\n	return s;\n\nfail:",
    replace: "		*lenp = n - s;\n	fb_fdt_spend(n - s);\n	return s;\n\nfail:",
  },
  {
    // Engines move 16 bytes at a time or more.
    file: "dtc-1.7.2/libfdt/fdt_rw.c",
    find: "		return -FDT_ERR_NOSPACE;\n	memmove(p",
    replace:
      "		return -FDT_ERR_NOSPACE;\n	fb_fdt_spend(dsize / 16);\n	memmove(p",
  },
];
