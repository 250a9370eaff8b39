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
};

/* --- memory ------------------------------------------------------------------------------- */

/* Gives size bytes aligned to 16, or NULL. */
void *FB_EXPORT(fb_alloc)(size_t size);
void FB_EXPORT(fb_free)(void *pointer);

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
/* see wasm/src/erofs.c */

#endif
