/*
 * Decoders fed in pieces, each with a context of its own.
 *
 * Containers that may follow one another end only when the caller says that no input is left: until
 * then the decoder stands between two of them.
 */
#include "fastboop.h"
#include <libdeflate.h>
#define LZ4F_STATIC_LINKING_ONLY
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>
#include "bunzip.h"
#include "gzip.h"
#include "inflate.h"

enum { ENDED = 1, ANOTHER = 2 };

enum { GZIP_MAGIC_SIZE = 3, BZIP2_MAGIC_SIZE = 10 };

struct deflate_state {
	enum { HEADER, BODY, TRAILER, BETWEEN } step;
	struct fb_inflate *inflate;
	struct fb_gzip_header header;
	uint8_t bytes[8]; /* of the trailer, or of the zlib header */
	uint32_t count;   /* how many of them are there */
	uint32_t sum;
	uint32_t size;    /* modulo 2^32, as gzip has it */
};

struct fb_stream {
	int kind;
	int option;
	uint32_t memory_limit;
	int between; /* zstd, LZ4, bzip2: at the end of a frame or stream */
	int ended;   /* once and for all */
	/* gzip, bzip2: what came after a member or stream, as far as it begins like another one */
	uint8_t magic[BZIP2_MAGIC_SIZE];
	uint32_t magic_have;
	int trailing; /* it is no other: nothing more is decoded */
	struct deflate_state deflate;
	ZSTD_DCtx *zstd;
	LZ4F_dctx *lz4;
	struct fb_bunzip *bunzip;
	lzma_stream lzma;
	/* xz block */
	lzma_block block;
	lzma_filter filters[LZMA_FILTERS_MAX + 1];
	uint8_t header[LZMA_BLOCK_HEADER_SIZE_MAX];
	uint32_t header_have;
	int block_open;
};

/* What is left of the input and of the space, moved on as they are used. */
struct flow {
	const uint8_t *in;
	size_t in_size;
	uint8_t *out;
	size_t out_size;
	int finish;
};

/* --- between the members of gzip and the streams of bzip2 ---------------------------------- */

static int begins_bzip2(const uint8_t *bytes, uint32_t count)
{
	static const uint8_t block[] = {0x31, 0x41, 0x59, 0x26, 0x53, 0x59};
	static const uint8_t end[] = {0x17, 0x72, 0x45, 0x38, 0x50, 0x90};

	if (memcmp(bytes, "BZh", count < 3 ? count : 3))
		return 0;
	if (count > 3 && (bytes[3] < '1' || bytes[3] > '9'))
		return 0;
	return count < 5 || !memcmp(bytes + 4, block, count - 4) || !memcmp(bytes + 4, end, count - 4);
}

/*
 * Collects the magic of another member or stream, and returns ANOTHER when it is there. What begins
 * otherwise is none of the data, such as zeros of a tape or what OpenWrt adds to its images: it is
 * passed over, as gzip and bzip2 do.
 */
static int find_another(struct fb_stream *stream, struct flow *flow)
{
	int gzip = stream->kind == FB_STREAM_GZIP;
	uint32_t size = gzip ? GZIP_MAGIC_SIZE : BZIP2_MAGIC_SIZE;

	while (!stream->trailing && stream->magic_have < size && flow->in_size) {
		stream->magic[stream->magic_have++] = *flow->in++;
		flow->in_size--;
		stream->trailing = gzip ? memcmp(stream->magic, "\x1f\x8b\x08", stream->magic_have) != 0
		                        : !begins_bzip2(stream->magic, stream->magic_have);
	}
	if (stream->trailing) {
		flow->in += flow->in_size;
		flow->in_size = 0;
	} else if (stream->magic_have == size) {
		stream->magic_have = 0;
		return ANOTHER;
	}
	if (!flow->finish)
		return FB_OK;
	return stream->trailing || !stream->magic_have ? ENDED : FB_TRUNCATED;
}

/* --- DEFLATE in its three wrappers --------------------------------------------------------- */

static int deflate_header(struct fb_stream *stream, struct flow *flow)
{
	struct deflate_state *state = &stream->deflate;
	const uint8_t *end = flow->in + flow->in_size;
	int status = 1;

	if (stream->kind == FB_STREAM_GZIP) {
		status = fb_gzip_header_read(&state->header, &flow->in, end);
		flow->in_size = (size_t)(end - flow->in);
	} else if (stream->kind == FB_STREAM_ZLIB) {
		while (state->count < 2 && flow->in_size) {
			state->bytes[state->count++] = *flow->in++;
			flow->in_size--;
		}
		status = state->count == 2;
		if (status && !fb_zlib_header_ok(state->bytes))
			return FB_DAMAGED;
		if (status && state->bytes[1] & 0x20)
			return FB_UNSUPPORTED; /* a preset dictionary */
	}
	if (status == 1) {
		fb_inflate_reset(state->inflate);
		state->count = 0;
		state->size = 0;
		state->sum = stream->kind == FB_STREAM_ZLIB;
		state->step = BODY;
		return FB_OK;
	}
	return status < 0 ? status : flow->finish ? FB_TRUNCATED : FB_OK;
}

static int deflate_body(struct fb_stream *stream, struct flow *flow)
{
	struct deflate_state *state = &stream->deflate;
	uint8_t *start = flow->out;
	int status = fb_inflate_run(state->inflate, &flow->in, &flow->in_size, &flow->out,
	                            &flow->out_size);
	size_t made = (size_t)(flow->out - start);

	if (status < 0)
		return status;
	state->size += (uint32_t)made;
	if (stream->kind == FB_STREAM_GZIP)
		state->sum = libdeflate_crc32(state->sum, start, made);
	else if (stream->kind == FB_STREAM_ZLIB)
		state->sum = libdeflate_adler32(state->sum, start, made);
	if (status == 1) {
		state->step = TRAILER;
		return FB_OK;
	}
	return flow->finish && !flow->in_size && flow->out_size ? FB_TRUNCATED : FB_OK;
}

static int deflate_trailer(struct fb_stream *stream, struct flow *flow)
{
	struct deflate_state *state = &stream->deflate;
	uint32_t need = stream->kind == FB_STREAM_GZIP ? 8 : stream->kind == FB_STREAM_ZLIB ? 4 : 0;
	uint32_t sum, size;

	while (state->count < need && flow->in_size) {
		state->bytes[state->count++] = *flow->in++;
		flow->in_size--;
	}
	if (state->count < need)
		return flow->finish ? FB_TRUNCATED : FB_OK;
	memcpy(&sum, state->bytes, 4);
	memcpy(&size, state->bytes + 4, 4);
	if (stream->kind == FB_STREAM_GZIP && (sum != state->sum || size != state->size))
		return FB_CHECKSUM;
	if (stream->kind == FB_STREAM_ZLIB && __builtin_bswap32(sum) != state->sum)
		return FB_CHECKSUM;
	memset(&state->header, 0, sizeof(state->header));
	state->step = BETWEEN;
	stream->ended = stream->kind != FB_STREAM_GZIP;
	return FB_OK;
}

static int run_deflate(struct fb_stream *stream, struct flow *flow)
{
	struct deflate_state *state = &stream->deflate;
	const uint8_t *magic;

	for (;;) {
		int step = (int)state->step, status;
		switch (step) {
		case HEADER:
			status = deflate_header(stream, flow);
			break;
		case BODY:
			status = deflate_body(stream, flow);
			break;
		case TRAILER:
			status = deflate_trailer(stream, flow);
			break;
		default: /* BETWEEN */
			if (stream->ended)
				return ENDED;
			status = find_another(stream, flow);
			if (status != ANOTHER)
				return status;
			magic = stream->magic;
			fb_gzip_header_read(&state->header, &magic, magic + GZIP_MAGIC_SIZE);
			state->step = HEADER;
			continue;
		}
		if (status < 0)
			return status;
		if ((int)state->step == step)
			return FB_OK;
	}
}

/* --- zstd and LZ4 frames ------------------------------------------------------------------- */

static int zstd_status(size_t result)
{
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_checksum_wrong:
		return FB_CHECKSUM;
	case ZSTD_error_frameParameter_windowTooLarge:
		return FB_MEMORY_LIMIT_REACHED;
	case ZSTD_error_memory_allocation:
		return FB_NO_MEMORY;
	case ZSTD_error_version_unsupported:
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_dictionary_wrong:
		return FB_UNSUPPORTED;
	default:
		return FB_DAMAGED;
	}
}

static int run_zstd(struct fb_stream *stream, struct flow *flow)
{
	ZSTD_inBuffer in = {flow->in, flow->in_size, 0};
	ZSTD_outBuffer out = {flow->out, flow->out_size, 0};

	while (in.pos < in.size || !stream->between) {
		size_t in_before = in.pos, out_before = out.pos;
		size_t left = ZSTD_decompressStream(stream->zstd, &out, &in);
		if (ZSTD_isError(left))
			return zstd_status(left);
		if (in.pos > in_before || out.pos > out_before)
			stream->between = left == 0;
		else
			break;
	}
	flow->in += in.pos;
	flow->in_size -= in.pos;
	flow->out += out.pos;
	flow->out_size -= out.pos;
	if (!flow->finish || flow->in_size || !flow->out_size)
		return FB_OK;
	return stream->between ? ENDED : FB_TRUNCATED;
}

static int lz4_status(size_t result)
{
	switch (LZ4F_getErrorCode(result)) {
	case LZ4F_ERROR_contentChecksum_invalid:
	case LZ4F_ERROR_blockChecksum_invalid:
	case LZ4F_ERROR_headerChecksum_invalid:
		return FB_CHECKSUM;
	case LZ4F_ERROR_allocation_failed:
		return FB_NO_MEMORY;
	case LZ4F_ERROR_headerVersion_wrong:
	case LZ4F_ERROR_reservedFlag_set:
		return FB_UNSUPPORTED;
	default:
		return FB_DAMAGED;
	}
}

static int run_lz4(struct fb_stream *stream, struct flow *flow)
{
	size_t consumed = 1, produced = 1;

	while ((flow->in_size || !stream->between) && (consumed || produced)) {
		size_t left;
		consumed = flow->in_size;
		produced = flow->out_size;
		left = LZ4F_decompress(stream->lz4, flow->out, &produced, flow->in, &consumed, NULL);
		if (LZ4F_isError(left))
			return lz4_status(left);
		flow->in += consumed;
		flow->in_size -= consumed;
		flow->out += produced;
		flow->out_size -= produced;
		if (consumed || produced)
			stream->between = left == 0;
	}
	if (!flow->finish || flow->in_size || !flow->out_size)
		return FB_OK;
	return stream->between ? ENDED : FB_TRUNCATED;
}

/* --- bzip2 --------------------------------------------------------------------------------- */

static int run_bzip2(struct fb_stream *stream, struct flow *flow)
{
	for (;;) {
		size_t before = flow->in_size + flow->out_size;
		int status;

		if (stream->between) {
			const uint8_t *magic = stream->magic;
			size_t magic_size = BZIP2_MAGIC_SIZE;

			status = find_another(stream, flow);
			if (status != ANOTHER)
				return status;
			status = fb_bunzip_restart(stream->bunzip);
			if (status < 0)
				return status;
			status = fb_bunzip_run(stream->bunzip, &magic, &magic_size, &flow->out,
			                       &flow->out_size);
			if (status < 0)
				return status;
			stream->between = 0;
		}
		status = fb_bunzip_run(stream->bunzip, &flow->in, &flow->in_size, &flow->out,
		                       &flow->out_size);
		if (status < 0)
			return status;
		stream->between = status == 1;
		if (!stream->between && (!flow->out_size || before == flow->in_size + flow->out_size))
			return flow->finish && !flow->in_size && flow->out_size ? FB_TRUNCATED : FB_OK;
	}
}

/* --- xz and lzma -------------------------------------------------------------------------- */

static int lzma_status(lzma_ret result)
{
	switch (result) {
	case LZMA_OK:
		return FB_OK;
	case LZMA_STREAM_END:
		return ENDED;
	case LZMA_MEM_ERROR:
		return FB_NO_MEMORY;
	case LZMA_MEMLIMIT_ERROR:
		return FB_MEMORY_LIMIT_REACHED;
	case LZMA_OPTIONS_ERROR:
	case LZMA_UNSUPPORTED_CHECK:
		return FB_UNSUPPORTED;
	default:
		return FB_DAMAGED;
	}
}

static void forget_filters(struct fb_stream *stream)
{
	lzma_filters_free(stream->filters, NULL);
	stream->filters[0].id = LZMA_VLI_UNKNOWN;
}

/* Collects the header of the block, whose first byte tells its size, and makes the decoder. */
static int open_block(struct fb_stream *stream, struct flow *flow)
{
	uint64_t memory;
	lzma_ret result;

	for (;;) {
		uint32_t need = stream->header_have ? ((uint32_t)stream->header[0] + 1) * 4 : 1;
		if (stream->header_have && !stream->header[0])
			return FB_DAMAGED; /* here begins the index, not a block */
		if (stream->header_have == need)
			break;
		if (!flow->in_size)
			return flow->finish ? FB_TRUNCATED : FB_OK;
		stream->header[stream->header_have++] = *flow->in++;
		flow->in_size--;
	}
	stream->block.version = 1;
	stream->block.check = (lzma_check)stream->option;
	stream->block.header_size = stream->header_have;
	stream->block.filters = stream->filters;
	result = lzma_block_header_decode(&stream->block, NULL, stream->header);
	if (result != LZMA_OK) {
		stream->filters[0].id = LZMA_VLI_UNKNOWN; /* liblzma has freed them */
		return lzma_status(result);
	}
	memory = lzma_raw_decoder_memusage(stream->filters);
	if (memory == UINT64_MAX)
		result = LZMA_OPTIONS_ERROR;
	else if (memory > stream->memory_limit)
		result = LZMA_MEMLIMIT_ERROR;
	else
		result = lzma_block_decoder(&stream->lzma, &stream->block);
	forget_filters(stream);
	stream->block_open = result == LZMA_OK;
	return lzma_status(result);
}

static int run_lzma(struct fb_stream *stream, struct flow *flow)
{
	lzma_stream *lzma = &stream->lzma;
	lzma_ret result;

	if (stream->ended)
		return ENDED;
	if (stream->kind == FB_STREAM_XZ_BLOCK && !stream->block_open) {
		int status = open_block(stream, flow);
		if (status < 0 || !stream->block_open)
			return status;
	}
	lzma->next_in = flow->in;
	lzma->avail_in = flow->in_size;
	lzma->next_out = flow->out;
	lzma->avail_out = flow->out_size;
	result = lzma_code(lzma, flow->finish ? LZMA_FINISH : LZMA_RUN);
	flow->in = lzma->next_in;
	flow->in_size = lzma->avail_in;
	flow->out = lzma->next_out;
	flow->out_size = lzma->avail_out;
	if (result == LZMA_STREAM_END)
		stream->ended = 1;
	if (result == LZMA_OK || result == LZMA_BUF_ERROR)
		return flow->finish && !flow->in_size && flow->out_size && result == LZMA_BUF_ERROR
		       ? FB_TRUNCATED : FB_OK;
	return lzma_status(result);
}

/* --- all ----------------------------------------------------------------------------------- */

static int open_decoder(struct fb_stream *stream)
{
	switch (stream->kind) {
	case FB_STREAM_GZIP:
	case FB_STREAM_RAW:
	case FB_STREAM_ZLIB:
		return (stream->deflate.inflate = fb_inflate_new()) != NULL;
	case FB_STREAM_ZSTD:
		stream->zstd = ZSTD_createDCtx();
		return stream->zstd && !ZSTD_isError(
			ZSTD_DCtx_setMaxWindowSize(stream->zstd, stream->memory_limit));
	case FB_STREAM_LZ4:
		return !LZ4F_isError(LZ4F_createDecompressionContext(&stream->lz4, LZ4F_VERSION));
	case FB_STREAM_BZIP2:
		return (stream->bunzip = fb_bunzip_new()) != NULL;
	case FB_STREAM_XZ:
		return lzma_stream_decoder(&stream->lzma, stream->memory_limit,
		                           LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK;
	case FB_STREAM_XZ_BLOCK:
		stream->filters[0].id = LZMA_VLI_UNKNOWN;
		return 1;
	case FB_STREAM_LZMA:
		return lzma_alone_decoder(&stream->lzma, stream->memory_limit) == LZMA_OK;
	default:
		return 0;
	}
}

struct fb_stream *fb_stream_open(int kind, int option, uint32_t memory_limit)
{
	struct fb_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->kind = kind;
	stream->option = option;
	stream->memory_limit = memory_limit;
	if (open_decoder(stream))
		return stream;
	fb_stream_close(stream);
	return NULL;
}

void fb_stream_close(struct fb_stream *stream)
{
	if (!stream)
		return;
	fb_inflate_free(stream->deflate.inflate);
	fb_bunzip_free(stream->bunzip);
	ZSTD_freeDCtx(stream->zstd);
	if (stream->lz4)
		LZ4F_freeDecompressionContext(stream->lz4);
	lzma_end(&stream->lzma);
	free(stream);
}

int fb_stream_run(struct fb_stream *stream, const uint8_t *in, size_t in_size, uint8_t *out,
                  size_t out_size, int finish, struct fb_progress *progress)
{
	struct flow flow = {in, in_size, out, out_size, finish};
	int status;

	switch (stream->kind) {
	case FB_STREAM_ZSTD:
		status = run_zstd(stream, &flow);
		break;
	case FB_STREAM_LZ4:
		status = run_lz4(stream, &flow);
		break;
	case FB_STREAM_BZIP2:
		status = run_bzip2(stream, &flow);
		break;
	case FB_STREAM_XZ:
	case FB_STREAM_XZ_BLOCK:
	case FB_STREAM_LZMA:
		status = run_lzma(stream, &flow);
		break;
	default:
		status = run_deflate(stream, &flow);
	}
	progress->consumed = (uint32_t)(in_size - flow.in_size);
	progress->produced = (uint32_t)(out_size - flow.out_size);
	return status;
}
