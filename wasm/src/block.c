/*
 * One compressed block, as erofs stores it. Blocks are small (4 KiB to 1 MiB) and many, so every
 * decoder is made once and kept: a call allocates nothing once its decoder has seen a block as large.
 */
#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include "fastboop.h"
#include "inflate.h"

enum {
	LZMA_DICT_MIN = 64 << 10,
	LZMA_DICT_MAX = 8 << 20, /* Z_EROFS_LZMA_MAX_DICT_SIZE */
	ZSTD_WINDOW_LOG_MAX = 23,
};

static int decode_lz4(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, int exact)
{
	int got = exact ? LZ4_decompress_safe((const char *)in, (char *)out, (int)in_size, (int)out_size)
	                : LZ4_decompress_safe_partial((const char *)in, (char *)out, (int)in_size,
	                                              (int)out_size, (int)out_size);

	return got == (int)out_size ? got : FB_DAMAGED;
}

static int decode_lzma(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, int exact)
{
	static lzma_stream stream = LZMA_STREAM_INIT;
	static uint32_t dict_size = LZMA_DICT_MIN;
	lzma_ret status;

	/*
	 * No match reaches further back than the output made so far, so the output's own size serves as
	 * dictionary size. It only ever rises: liblzma keeps its buffer as long as the size stays.
	 */
	while (dict_size < out_size && dict_size < LZMA_DICT_MAX)
		dict_size *= 2;
	status = lzma_microlzma_decoder(&stream, in_size, out_size, exact != 0, dict_size);
	if (status != LZMA_OK)
		return status == LZMA_MEM_ERROR ? FB_NO_MEMORY : FB_DAMAGED;
	stream.next_in = in;
	stream.avail_in = in_size;
	stream.next_out = out;
	stream.avail_out = out_size;
	status = lzma_code(&stream, LZMA_FINISH);
	if (status == LZMA_MEM_ERROR)
		return FB_NO_MEMORY;
	if (stream.avail_out || (status != LZMA_STREAM_END && (exact || status != LZMA_OK)))
		return FB_DAMAGED;
	return (int)out_size;
}

static int decode_deflate(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                          int exact)
{
	static struct libdeflate_decompressor *whole;
	static struct fb_inflate *part;
	size_t used, got;
	int status;

	if (exact) {
		if (!whole && !(whole = libdeflate_alloc_decompressor()))
			return FB_NO_MEMORY;
		if (libdeflate_deflate_decompress_ex(whole, in, in_size, out, out_size, &used, &got)
		    != LIBDEFLATE_SUCCESS || got != out_size)
			return FB_DAMAGED;
		return (int)out_size;
	}
	if (!part && !(part = fb_inflate_new()))
		return FB_NO_MEMORY;
	fb_inflate_reset(part);
	got = out_size;
	status = fb_inflate_run(part, &in, &in_size, &out, &got);
	if (status == FB_NO_MEMORY)
		return status;
	return got == 0 ? (int)out_size : FB_DAMAGED;
}

static int decode_zstd(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, int exact)
{
	static ZSTD_DCtx *context;
	ZSTD_inBuffer from = {in, in_size, 0};
	ZSTD_outBuffer to = {out, out_size, 0};

	if (!context) {
		context = ZSTD_createDCtx();
		if (!context)
			return FB_NO_MEMORY;
		ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	}
	if (exact) {
		size_t frame = ZSTD_findFrameCompressedSize(in, in_size);
		size_t got = ZSTD_isError(frame)
		             ? frame : ZSTD_decompressDCtx(context, out, out_size, in, frame);
		return got == out_size ? (int)out_size : FB_DAMAGED;
	}
	ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
	while (to.pos < to.size) {
		size_t before = to.pos, left = ZSTD_decompressStream(context, &to, &from);
		if (ZSTD_isError(left))
			return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? FB_NO_MEMORY
			                                                               : FB_DAMAGED;
		if (to.pos < to.size && (left == 0 || (from.pos == from.size && to.pos == before)))
			return FB_DAMAGED;
	}
	return (int)out_size;
}

int fb_block_decode(int algorithm, const uint8_t *in, size_t in_size, uint8_t *out,
                    size_t out_size, int exact)
{
	if (in_size > FB_MEMORY_LIMIT || out_size > FB_MEMORY_LIMIT)
		return FB_BAD_ARGUMENT;
	switch (algorithm) {
	case FB_BLOCK_LZ4:
		return decode_lz4(in, in_size, out, out_size, exact);
	case FB_BLOCK_LZMA:
		return decode_lzma(in, in_size, out, out_size, exact);
	case FB_BLOCK_DEFLATE:
		return decode_deflate(in, in_size, out, out_size, exact);
	case FB_BLOCK_ZSTD:
		return decode_zstd(in, in_size, out, out_size, exact);
	default:
		return FB_UNSUPPORTED;
	}
}
