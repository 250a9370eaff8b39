#include "gzip.h"
#include <libdeflate.h>
#include "fastboop.h"

enum { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, RESERVED = 0xe0 };

enum step { FIXED, EXTRA_SIZE, EXTRA, NAME, COMMENT, CHECKSUM, DONE };

enum { FIXED_SIZE = 10, METHOD_DEFLATE = 8 };

/* The first step after the present one that the flags ask for. */
static void next_step(struct fb_gzip_header *header)
{
	static const uint8_t wanted_by[DONE] = {
		[EXTRA_SIZE] = FEXTRA, [EXTRA] = FEXTRA, [NAME] = FNAME, [COMMENT] = FCOMMENT,
		[CHECKSUM] = FHCRC,
	};

	do
		header->step++;
	while (header->step < DONE && !(header->flags & wanted_by[header->step]));
	if (header->step == CHECKSUM || header->step == EXTRA_SIZE)
		header->value = 0;
	if (header->step != EXTRA)
		header->count = 0;
}

static int take_fixed(struct fb_gzip_header *header, uint8_t byte)
{
	switch (header->count++) {
	case 0:
		return byte == 0x1f ? FB_OK : FB_DAMAGED;
	case 1:
		return byte == 0x8b ? FB_OK : FB_DAMAGED;
	case 2:
		return byte == METHOD_DEFLATE ? FB_OK : FB_UNSUPPORTED;
	case 3:
		header->flags = byte;
		return byte & RESERVED ? FB_UNSUPPORTED : FB_OK;
	case FIXED_SIZE - 1:
		next_step(header);
	}
	return FB_OK;
}

static int take(struct fb_gzip_header *header, uint8_t byte)
{
	uint32_t sum = header->sum;

	header->sum = libdeflate_crc32(sum, &byte, 1);
	switch (header->step) {
	case FIXED:
		return take_fixed(header, byte);
	case EXTRA_SIZE:
		header->value |= (uint32_t)byte << (8 * header->count);
		if (++header->count == 2) {
			header->count = header->value;
			next_step(header);
			if (!header->count)
				next_step(header);
		}
		return FB_OK;
	case EXTRA:
		if (!--header->count)
			next_step(header);
		return FB_OK;
	case NAME:
	case COMMENT:
		if (!byte)
			next_step(header);
		return FB_OK;
	default: /* CHECKSUM: the low 16 bits of the sum of all before it */
		header->sum = sum;
		header->value |= (uint32_t)byte << (8 * header->count);
		if (++header->count < 2)
			return FB_OK;
		next_step(header);
		return header->value == (sum & 0xffff) ? FB_OK : FB_CHECKSUM;
	}
}

int fb_gzip_header_read(struct fb_gzip_header *header, const uint8_t **in, const uint8_t *end)
{
	while (*in < end && header->step != DONE) {
		int status = take(header, *(*in)++);
		if (status < 0)
			return status;
	}
	return header->step == DONE;
}
