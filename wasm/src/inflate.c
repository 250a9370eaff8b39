#include "inflate.h"
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "fastboop.h"

struct fb_inflate {
	z_stream stream;
};

/* zlib refers to it for its own container, which we never ask it to read. */
uLong ZEXPORT adler32(uLong adler, const Bytef *data, uInt size)
{
	return libdeflate_adler32((uint32_t)adler, data, size);
}

/* What zlib built alone (Z_SOLO) has of its own in a file that we leave out. */
void zmemcpy(Bytef *to, const Bytef *from, uInt size)
{
	memcpy(to, from, size);
}

static voidpf take(voidpf opaque, uInt items, uInt size)
{
	(void)opaque;
	return calloc(items, size);
}

static void give_back(voidpf opaque, voidpf pointer)
{
	(void)opaque;
	free(pointer);
}

struct fb_inflate *fb_inflate_new(void)
{
	struct fb_inflate *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->stream.zalloc = take;
	self->stream.zfree = give_back;
	if (inflateInit2(&self->stream, -MAX_WBITS) != Z_OK) {
		free(self);
		return NULL;
	}
	return self;
}

void fb_inflate_reset(struct fb_inflate *self)
{
	inflateReset(&self->stream);
}

void fb_inflate_free(struct fb_inflate *self)
{
	if (!self)
		return;
	inflateEnd(&self->stream);
	free(self);
}

int fb_inflate_run(struct fb_inflate *self, const uint8_t **in, size_t *in_size, uint8_t **out,
                   size_t *out_size)
{
	z_stream *stream = &self->stream;
	int status;

	stream->next_in = (z_const Bytef *)*in;
	stream->avail_in = (uInt)*in_size;
	stream->next_out = *out;
	stream->avail_out = (uInt)*out_size;
	status = inflate(stream, Z_NO_FLUSH);
	*in = stream->next_in;
	*in_size = stream->avail_in;
	*out = stream->next_out;
	*out_size = stream->avail_out;
	switch (status) {
	case Z_STREAM_END:
		return 1;
	case Z_OK:
	case Z_BUF_ERROR: /* no progress was possible: no input or no space left */
		return FB_OK;
	case Z_MEM_ERROR:
		return FB_NO_MEMORY;
	default:
		return FB_DAMAGED;
	}
}
