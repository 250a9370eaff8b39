#include "bunzip.h"
#include <bzlib.h>
#include <stdlib.h>
#include <string.h>
#include "fastboop.h"

struct fb_bunzip {
	bz_stream stream;
	int open;
};

/* What libbz2 built without stdio calls on what cannot be: a trap is told as "wasm.crashed". */
void bz_internal_error(int code)
{
	(void)code;
	__builtin_trap();
}

static void *take(void *opaque, int items, int size)
{
	(void)opaque;
	/* zeros: a damaged block must not read what another decoder left behind */
	return calloc((size_t)items, (size_t)size);
}

static void give_back(void *opaque, void *pointer)
{
	(void)opaque;
	free(pointer);
}

struct fb_bunzip *fb_bunzip_new(void)
{
	struct fb_bunzip *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->stream.bzalloc = take;
	self->stream.bzfree = give_back;
	if (fb_bunzip_restart(self) == FB_OK)
		return self;
	free(self);
	return NULL;
}

void fb_bunzip_free(struct fb_bunzip *self)
{
	if (!self)
		return;
	if (self->open)
		BZ2_bzDecompressEnd(&self->stream);
	free(self);
}

int fb_bunzip_restart(struct fb_bunzip *self)
{
	if (self->open)
		BZ2_bzDecompressEnd(&self->stream);
	self->open = BZ2_bzDecompressInit(&self->stream, 0, 0) == BZ_OK;
	return self->open ? FB_OK : FB_NO_MEMORY;
}

int fb_bunzip_run(struct fb_bunzip *self, const uint8_t **in, size_t *in_size, uint8_t **out,
                  size_t *out_size)
{
	bz_stream *stream = &self->stream;
	int status;

	if (!self->open)
		return FB_NO_MEMORY;
	stream->next_in = (char *)(uintptr_t)*in;
	stream->avail_in = (unsigned int)*in_size;
	stream->next_out = (char *)*out;
	stream->avail_out = (unsigned int)*out_size;
	status = BZ2_bzDecompress(stream);
	*in = (const uint8_t *)stream->next_in;
	*in_size = stream->avail_in;
	*out = (uint8_t *)stream->next_out;
	*out_size = stream->avail_out;
	switch (status) {
	case BZ_STREAM_END:
		return 1;
	case BZ_OK:
		return FB_OK;
	case BZ_MEM_ERROR:
		return FB_NO_MEMORY;
	default: /* libbz2 says the same of a failed check sum and of a block that does not decode */
		return FB_DAMAGED;
	}
}
