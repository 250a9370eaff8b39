/* Whole buffers in, whole buffers out. */
#include <libdeflate.h>
#include <lz4.h>
#include <lz4hc.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "fastboop.h"
#include "gzip.h"

static uint32_t load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* --- DEFLATE ------------------------------------------------------------------------------- */

size_t fb_deflate_bound(size_t size)
{
	return libdeflate_gzip_compress_bound(NULL, size);
}

int fb_deflate(int wrapper, int level, const uint8_t *in, size_t in_size, uint8_t *out,
               size_t out_size)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
	size_t size;

	if (!compressor)
		return level < 0 || level > 9 ? FB_BAD_ARGUMENT : FB_NO_MEMORY;
	switch (wrapper) {
	case FB_GZIP:
		size = libdeflate_gzip_compress(compressor, in, in_size, out, out_size);
		break;
	case FB_ZLIB:
		size = libdeflate_zlib_compress(compressor, in, in_size, out, out_size);
		break;
	default:
		size = libdeflate_deflate_compress(compressor, in, in_size, out, out_size);
	}
	libdeflate_free_compressor(compressor);
	return size ? (int)size : FB_OUTPUT_LIMIT;
}

static int inflate_raw(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                       size_t *used, size_t *got)
{
	static struct libdeflate_decompressor *decompressor;

	if (!decompressor && !(decompressor = libdeflate_alloc_decompressor()))
		return FB_NO_MEMORY;
	switch (libdeflate_deflate_decompress_ex(decompressor, in, in_size, out, out_size, used, got)) {
	case LIBDEFLATE_SUCCESS:
		return FB_OK;
	case LIBDEFLATE_INSUFFICIENT_SPACE:
		return FB_OUTPUT_LIMIT;
	default:
		return FB_DAMAGED;
	}
}

static int inflate_gzip(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                        size_t *used, size_t *got)
{
	struct fb_gzip_header header = {0};
	const uint8_t *at = in, *end = in + in_size;
	int status = fb_gzip_header_read(&header, &at, end);

	if (status != 1)
		return status < 0 ? status : FB_TRUNCATED;
	status = inflate_raw(at, (size_t)(end - at), out, out_size, used, got);
	if (status < 0)
		return status;
	at += *used;
	if (end - at < 8)
		return FB_TRUNCATED;
	*used = (size_t)(at + 8 - in);
	return load32(at) == libdeflate_crc32(0, out, *got) && load32(at + 4) == (uint32_t)*got
	       ? FB_OK : FB_CHECKSUM;
}

static int inflate_zlib(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                        size_t *used, size_t *got)
{
	int status;

	if (in_size < 6)
		return FB_TRUNCATED;
	if (!fb_zlib_header_ok(in))
		return FB_DAMAGED;
	if (in[1] & 0x20)
		return FB_UNSUPPORTED; /* a preset dictionary */
	status = inflate_raw(in + 2, in_size - 2, out, out_size, used, got);
	if (status < 0)
		return status;
	*used += 6;
	if (*used > in_size)
		return FB_TRUNCATED;
	return __builtin_bswap32(load32(in + *used - 4)) == libdeflate_adler32(1, out, *got)
	       ? FB_OK : FB_CHECKSUM;
}

int fb_inflate_whole(int wrapper, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                     struct fb_progress *progress)
{
	size_t used = 0, got = 0;
	int status = wrapper == FB_GZIP ? inflate_gzip(in, in_size, out, out_size, &used, &got)
	           : wrapper == FB_ZLIB ? inflate_zlib(in, in_size, out, out_size, &used, &got)
	                                : inflate_raw(in, in_size, out, out_size, &used, &got);

	progress->consumed = (uint32_t)used;
	progress->produced = (uint32_t)got;
	return status;
}

/* --- LZ4 ----------------------------------------------------------------------------------- */

static const LZ4F_preferences_t frame_preferences = {
	.frameInfo = {
		.blockSizeID = LZ4F_max4MB,
		.blockMode = LZ4F_blockIndependent,
		.contentChecksumFlag = LZ4F_contentChecksumEnabled,
	},
};

size_t fb_lz4_bound(size_t size) { return (size_t)LZ4_compressBound((int)size); }

size_t fb_lz4_frame_bound(size_t size)
{
	return LZ4F_compressFrameBound(size, &frame_preferences);
}

int fb_lz4_encode(int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
	int size = level < 3
	           ? LZ4_compress_default((const char *)in, (char *)out, (int)in_size, (int)out_size)
	           : LZ4_compress_HC((const char *)in, (char *)out, (int)in_size, (int)out_size, level);

	return size > 0 ? size : FB_OUTPUT_LIMIT;
}

int fb_lz4_frame_encode(int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
	LZ4F_preferences_t preferences = frame_preferences;
	size_t size;

	preferences.frameInfo.contentSize = in_size;
	preferences.compressionLevel = level;
	size = LZ4F_compressFrame(out, out_size, in, in_size, &preferences);
	return LZ4F_isError(size) ? FB_NO_MEMORY : (int)size;
}

int fb_lz4_decode(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, int partial)
{
	int size = partial
	           ? LZ4_decompress_safe_partial((const char *)in, (char *)out, (int)in_size,
	                                         (int)out_size, (int)out_size)
	           : LZ4_decompress_safe((const char *)in, (char *)out, (int)in_size, (int)out_size);

	return size >= 0 ? size : FB_DAMAGED;
}

/* --- zstd ---------------------------------------------------------------------------------- */

size_t fb_zstd_bound(size_t size) { return ZSTD_compressBound(size); }

int fb_zstd_encode(int level, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t size;

	if (!context)
		return FB_NO_MEMORY;
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	size = ZSTD_compress2(context, out, out_size, in, in_size);
	ZSTD_freeCCtx(context);
	return ZSTD_isError(size) ? FB_NO_MEMORY : (int)size;
}
