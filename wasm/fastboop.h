/*
 * The one public header of the WASM core: every function that TypeScript calls.
 *
 * Memory: the caller owns every buffer. It takes memory with fb_alloc(), fills it, calls, copies
 * the answer out and gives it back with fb_free(). Nothing here keeps a pointer of the caller's
 * after it returned, but for the streams, which say so.
 *
 * Answers: a function that can fail gives a negative enum fb_status, else a count or FB_OK. No
 * input, however damaged, makes a function trap, hang, or write outside the buffers it was given.
 */
#ifndef FASTBOOP_H
#define FASTBOOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define FB_EXPORT(name) __attribute__((export_name(#name))) name
#else
#define FB_EXPORT(name) name
#endif

enum fb_status {
	FB_OK = 0,
	FB_DAMAGED = -1,      /* the input is not what the format allows */
	FB_TRUNCATED = -2,    /* the input ends too early */
	FB_OUTPUT_LIMIT = -3, /* the output would be larger than the caller allows */
	FB_NO_MEMORY = -4,    /* linear memory cannot grow as far as is needed */
	FB_UNSUPPORTED = -5,  /* a feature of the format that is not built in */
	FB_BAD_ARGUMENT = -6, /* the caller's mistake */
	FB_CHECKSUM = -7,     /* a check sum in the input does not fit the data */
	FB_MEMORY_LIMIT_REACHED = -8, /* decoding takes more memory than the caller allows */
};

/* --- memory ------------------------------------------------------------------------------- */

/*
 * Linear memory never grows beyond this, whatever an input claims. What needs more fails with
 * FB_NO_MEMORY. It must be the --max-memory of the build.
 */
#define FB_MEMORY_LIMIT (1u << 30)

/* Gives size bytes aligned to 16, or NULL. */
void *FB_EXPORT(fb_alloc)(size_t size);
void FB_EXPORT(fb_free)(void *pointer);

/* --- check sums --------------------------------------------------------------------------- */

/* Both go on from the sum of what came before, 0 at the start. */
uint32_t FB_EXPORT(fb_crc32)(uint32_t sum, const uint8_t *in, size_t size);
uint32_t FB_EXPORT(fb_crc32c)(uint32_t sum, const uint8_t *in, size_t size);

/* --- whole buffers ------------------------------------------------------------------------- */

/* What a call used of its input and made of its output. */
struct fb_progress {
	uint32_t consumed;
	uint32_t produced;
};

enum fb_wrapper {
	FB_RAW = 0, /* DEFLATE alone, RFC 1951 */
	FB_ZLIB = 1, /* RFC 1950 */
	FB_GZIP = 2, /* RFC 1952: one member */
};

/* The most bytes that size bytes can become. */
size_t FB_EXPORT(fb_deflate_bound)(size_t size);
size_t FB_EXPORT(fb_lz4_bound)(size_t size);
size_t FB_EXPORT(fb_lz4_frame_bound)(size_t size);
size_t FB_EXPORT(fb_zstd_bound)(size_t size);

/*
 * Compress a whole buffer. out_size must be at least the bound. Levels: DEFLATE 0 to 9, LZ4 1 (fast)
 * and 3 to 12 (high compression), zstd 1 to 3. Return the size of the output.
 */
int FB_EXPORT(fb_deflate)(int wrapper, int level, const uint8_t *in, size_t in_size, uint8_t *out,
                          size_t out_size);
int FB_EXPORT(fb_lz4_encode)(int level, const uint8_t *in, size_t in_size, uint8_t *out,
                             size_t out_size);
int FB_EXPORT(fb_lz4_frame_encode)(int level, const uint8_t *in, size_t in_size, uint8_t *out,
                                   size_t out_size);
int FB_EXPORT(fb_zstd_encode)(int level, const uint8_t *in, size_t in_size, uint8_t *out,
                              size_t out_size);

/*
 * Decodes one gzip member, zlib stream or raw DEFLATE stream, check sums included. FB_OUTPUT_LIMIT
 * when out is too small: nothing is kept, call again with more space. It tells truncated input
 * apart from damaged only in the wrapper; a stream tells more.
 */
int FB_EXPORT(fb_inflate_whole)(int wrapper, const uint8_t *in, size_t in_size, uint8_t *out,
                                size_t out_size, struct fb_progress *progress);

/*
 * Decodes one LZ4 block. partial == 0: it must end with the input, FB_DAMAGED when it does not or
 * needs more than out_size bytes. partial != 0: stops when out is full. Returns the bytes decoded.
 */
int FB_EXPORT(fb_lz4_decode)(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                             int partial);

/* --- streams ------------------------------------------------------------------------------- */

enum fb_stream_kind {
	FB_STREAM_GZIP = 0,  /* members one after another, then anything else */
	FB_STREAM_ZSTD = 1,  /* frames and skippable frames one after another */
	FB_STREAM_LZ4 = 2,   /* LZ4 frames and skippable frames one after another */
	FB_STREAM_XZ = 3,    /* xz streams one after another, with padding */
	FB_STREAM_XZ_BLOCK = 4, /* one block of an xz stream; option is the lzma_check of the stream */
	FB_STREAM_RAW = 5,   /* DEFLATE alone */
	FB_STREAM_ZLIB = 6,
	FB_STREAM_LZMA = 7,  /* one .lzma file */
	FB_STREAM_BZIP2 = 8, /* streams one after another, then anything else */
};

struct fb_stream;

/*
 * Makes a decoder; memory_limit bounds what it takes for its dictionary or window. Most of its memory
 * is taken when the header of the data has been seen. NULL when there is no memory.
 */
struct fb_stream *FB_EXPORT(fb_stream_open)(int kind, int option, uint32_t memory_limit);
void FB_EXPORT(fb_stream_close)(struct fb_stream *stream);

/*
 * Decodes what it can. finish != 0: no input follows this. Returns 1 when all ended as it should, which
 * containers that may repeat only do once finish is set; FB_OK when it wants more input or space.
 */
int FB_EXPORT(fb_stream_run)(struct fb_stream *stream, const uint8_t *in, size_t in_size, uint8_t *out,
                             size_t out_size, int finish, struct fb_progress *progress);

/* --- cpio ---------------------------------------------------------------------------------- */

/* One entry to pack; its name, name_size bytes without a zero, follows, padded to 4 bytes. */
struct fb_cpio_record {
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t link_count;
	uint32_t mtime;
	uint32_t data_size;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t name_size;
};

/*
 * Writes the newc headers of a whole archive in one pass, the trailer included: for each entry 110
 * bytes of header, the name, a zero, zeros up to a multiple of 4. Inode numbers count from 1. The
 * data goes in between, which the caller does. Returns the bytes written.
 */
int FB_EXPORT(fb_cpio_heads)(const uint8_t *records, size_t size, uint8_t *out, size_t out_size);

/* --- one compressed block, as erofs stores it ---------------------------------------------- */

/* Numbered as erofs numbers them (erofs_fs.h, Z_EROFS_COMPRESSION_*). */
enum fb_block_algorithm {
	FB_BLOCK_LZ4 = 0,
	FB_BLOCK_LZMA = 1,    /* MicroLZMA */
	FB_BLOCK_DEFLATE = 2, /* raw */
	FB_BLOCK_ZSTD = 3,
};

/*
 * Decodes the first out_size bytes of one block into out.
 *
 * exact != 0: the block must hold exactly out_size bytes. exact == 0: it may hold more; what comes
 * after is not looked at. Returns out_size, or FB_DAMAGED when the block cannot give that many.
 */
int FB_EXPORT(fb_block_decode)(int algorithm, const uint8_t *in, size_t in_size, uint8_t *out,
                               size_t out_size, int exact);

/* --- erofs --------------------------------------------------------------------------------- */
/*
 * Layouts after include/linux erofs_fs.h of Linux 6.12; implemented in src/erofs.c. These only parse
 * and decode: what is read, and when, is the caller's business. Answers of several numbers are
 * arrays of double, which hold every byte offset we accept (below 2^53) and need no layout.
 */

/* Order of the numbers that fb_erofs_super() gives. */
enum fb_erofs_super_field {
	FB_SUPER_BLOCK_BITS,
	FB_SUPER_ROOT_NID,
	FB_SUPER_INODES,
	FB_SUPER_BUILD_TIME, /* seconds since 1970 */
	FB_SUPER_BLOCKS,
	FB_SUPER_META_BLOCK,
	FB_SUPER_COMPAT,     /* feature bits */
	FB_SUPER_INCOMPAT,   /* feature bits */
	FB_SUPER_ALGORITHMS, /* bit n: Z_EROFS_COMPRESSION_n is in use */
	FB_SUPER_EXTRA_DEVICES,
	FB_SUPER_DIR_BLOCK_BITS,
	FB_SUPER_PACKED_NID,
	FB_SUPER_CHECKSUM,
	FB_SUPER_FIELDS
};

/* in: the 128 bytes at byte 1024. FB_UNSUPPORTED: magic is not erofs. */
int FB_EXPORT(fb_erofs_super)(const uint8_t *in, size_t size, double *out);

/* Order of the numbers that fb_erofs_inode() gives. */
enum fb_erofs_inode_field {
	FB_INODE_EXTENDED,  /* 1: 64 bytes on disk, 0: 32 */
	FB_INODE_LAYOUT,    /* EROFS_INODE_FLAT_PLAIN = 0 … EROFS_INODE_CHUNK_BASED = 4 */
	FB_INODE_HEAD_SIZE, /* bytes of inode and extended attributes; what follows is its data or index */
	FB_INODE_MODE,
	FB_INODE_LINKS,
	FB_INODE_SIZE,
	FB_INODE_MTIME,     /* seconds; of a compact inode: to be added to the build time */
	FB_INODE_U,         /* block address, device number or chunk format */
	FB_INODE_UID,
	FB_INODE_GID,
	FB_INODE_FIELDS
};

/*
 * in: bytes at the inode, 32 at least. FB_TRUNCATED: it is an extended one and size is below 64.
 * FB_UNSUPPORTED: unknown format bits or layout.
 */
int FB_EXPORT(fb_erofs_inode)(const uint8_t *in, size_t size, double *out);

struct fb_erofs_dirent {
	double nid;
	uint32_t name_offset; /* in the block */
	uint16_t name_size;   /* 1 to 255 */
	uint16_t type;        /* EROFS_FT_* */
};

/*
 * Lists one directory block of size bytes (the last one of a directory is shorter). Gives the
 * number of entries, at most size / 12; out holds that many.
 */
int FB_EXPORT(fb_erofs_dirents)(const uint8_t *block, size_t size, struct fb_erofs_dirent *out);

/*
 * Finds a name in a sorted directory block. 0: found, *nid is set. -1 / 1: the name sorts before the
 * first / after the last name of the block. 2: it would be in this block and is not.
 * 3: the block is damaged.
 */
int FB_EXPORT(fb_erofs_lookup)(const uint8_t *block, size_t size, const uint8_t *name, size_t name_size,
                               double *nid);

/* How the content of one compressed inode is indexed. Only its size matters to the caller. */
struct fb_erofs_map {
	double file_size;
	double index_start;     /* byte in the image of the index of lcluster 0 */
	double index_end;       /* where an inlined pcluster starts */
	double fragment_offset; /* in the packed inode */
	uint32_t lclusters;
	uint32_t initial_4b;    /* compact: lclusters of 4 bytes before those of 2 */
	uint32_t count_2b;
	uint32_t block_bits;
	uint32_t lcluster_bits;
	uint32_t advise;
	uint32_t algorithms;
	uint32_t inline_size;
	uint32_t compact;
	uint32_t whole_fragment; /* all of the content is in the packed inode */
};

/*
 * Reads a z_erofs_map_header of 8 bytes that stands at byte position of the image.
 * FB_UNSUPPORTED: cluster sizes or algorithms we do not know.
 */
int FB_EXPORT(fb_erofs_map_header)(const uint8_t *in, double position, double file_size, int compact,
                                   unsigned int block_bits, struct fb_erofs_map *map);

/* Gives in out[0], out[1] the bytes of the image that hold the index of lclusters first to last - 1. */
int FB_EXPORT(fb_erofs_index_range)(const struct fb_erofs_map *map, uint32_t first, uint32_t last,
                                    double *out);

enum fb_erofs_extent_kind { /* beyond enum fb_block_algorithm */
	FB_EXTENT_SHIFTED = 4,    /* stored as it is */
	FB_EXTENT_INTERLACED = 5, /* stored as it is, rotated to keep its place within the block */
};
enum fb_erofs_extent_flag {
	FB_EXTENT_PARTIAL = 1,  /* the pcluster holds more than length bytes */
	FB_EXTENT_FRAGMENT = 2, /* physical is an offset in the packed inode */
	FB_EXTENT_INLINE = 4,   /* stands behind the index, in the metadata */
};

struct fb_erofs_extent {
	double logical;  /* byte in the file */
	double physical; /* byte in the image */
	uint32_t length; /* bytes in the file */
	uint32_t stored; /* bytes in the image */
	uint32_t kind;
	uint32_t flags;
};

/*
 * Gives the extents that start in lclusters first to last - 1, at most last - first. index holds the
 * bytes from index_start on; FB_TRUNCATED: the last extent goes on behind them, come with more.
 */
int FB_EXPORT(fb_erofs_extents)(const struct fb_erofs_map *map, const uint8_t *index, size_t index_size,
                                double index_start, uint32_t first, uint32_t last,
                                struct fb_erofs_extent *out);

/*
 * Decodes count extents that follow each other in the file into out, which has room for all of them.
 * in holds the image from byte in_start on. Gives how many were decoded: fewer than count means that
 * the next one is damaged.
 */
int FB_EXPORT(fb_erofs_decode)(const uint8_t *in, size_t in_size, double in_start,
                               const struct fb_erofs_extent *extents, size_t count, int zero_padding,
                               unsigned int block_bits, uint8_t *out, size_t out_size);

/* --- device trees -------------------------------------------------------------------------- */
/*
 * Flattened trees of version 16 and 17, by libfdt; implemented in src/fdt.c. Buffers of trees must be
 * aligned to 8, as fb_alloc() gives them. Every function checks the whole of the trees it is given, is
 * bounded in its work, and on FB_DAMAGED says in a struct fb_fdt_fault what is wrong.
 */
enum fb_fdt_reason {
	FB_FDT_BAD_TREE = 1,         /* error says what */
	FB_FDT_TOO_DEEP = 2,         /* more than 64 levels of nodes */
	FB_FDT_TOO_MUCH_WORK = 3,    /* it would take longer than any tree in use */
	FB_FDT_NO_SYMBOLS = 4,       /* the base has no __symbols__, the overlay wants label text */
	FB_FDT_NO_LABEL = 5,         /* the base has __symbols__, but not label text */
	FB_FDT_BAD_LABEL = 6,        /* label text leads to no node, or to one without a phandle */
	FB_FDT_BAD_FIXUP = 7,        /* __fixups__ of label text name a place outside the overlay */
	FB_FDT_BAD_LOCAL_FIXUP = 8,  /* so do __local_fixups__, at property or node text */
	FB_FDT_NO_TARGET = 9,        /* the base has nothing at the path or for the fragment text */
	FB_FDT_NOTHING_TO_APPLY = 10, /* no fragment has an __overlay__ */
	FB_FDT_BAD_OVERLAY = 11,     /* error says what, text may name a fragment */
	FB_FDT_NO_NODE = 12,         /* no node fits text */
	FB_FDT_NO_PROPERTY = 13,     /* the node has no property text */
};

struct fb_fdt_fault {
	uint32_t reason;
	uint32_t error;      /* FDT_ERR_* of libfdt.h as libfdt says or would say; 0: none */
	uint32_t in_overlay; /* the tree at fault is the overlay */
	char text[256];      /* cut to fit, ends with a zero */
};

/* Gives the size of the tree, which bytes that are not its own may follow. */
int FB_EXPORT(fb_fdt_check)(const uint8_t *tree, size_t size, struct fb_fdt_fault *fault);

/*
 * Applies an overlay to a base and gives the size of the packed result in out. FB_OUTPUT_LIMIT: out is
 * too small, call again with more.
 */
int FB_EXPORT(fb_fdt_apply)(const uint8_t *base, size_t base_size, const uint8_t *overlay,
                            size_t overlay_size, uint8_t *out, size_t out_size,
                            struct fb_fdt_fault *fault);

enum fb_fdt_by {
	FB_FDT_BY_PATH = 0,
	FB_FDT_BY_COMPATIBLE = 1, /* the first in the order of the tree */
};

/* Gives a node, for the next two functions on the same tree. Texts and names end with a zero. */
int FB_EXPORT(fb_fdt_find)(const uint8_t *tree, size_t size, int by, const char *text, size_t text_size,
                           struct fb_fdt_fault *fault);

/* Gives in out[0], out[1] where in the tree a property's value starts, and its size. */
int FB_EXPORT(fb_fdt_get)(const uint8_t *tree, size_t size, int node, const char *name, size_t name_size,
                          uint32_t *out, struct fb_fdt_fault *fault);

/*
 * Writes to out the packed tree with a property set, and gives its size. out needs room for the tree,
 * value, name and 64 bytes more; FB_OUTPUT_LIMIT when it is too small.
 */
int FB_EXPORT(fb_fdt_set)(const uint8_t *tree, size_t size, int node, const char *name,
                          const uint8_t *value, size_t value_size, uint8_t *out, size_t out_size,
                          struct fb_fdt_fault *fault);

#endif
