/* The header of a gzip member (RFC 1952, section 2.3), read in pieces of any size. */
#ifndef FB_GZIP_H
#define FB_GZIP_H

#include <stddef.h>
#include <stdint.h>

/* All zero at the start of a member. */
struct fb_gzip_header {
	int step;
	uint32_t count; /* bytes done of the present step, or left of the extra field */
	uint32_t sum;   /* CRC-32 of the header so far */
	uint32_t value; /* number being read */
	uint8_t flags;
};

/* Returns 1 when the header is complete, 0 when it goes on, else a negative enum fb_status. */
int fb_gzip_header_read(struct fb_gzip_header *header, const uint8_t **in, const uint8_t *end);

/* Whether the two bytes begin a zlib stream (RFC 1950, section 2.2). */
static inline int fb_zlib_header_ok(const uint8_t *in)
{
	return (in[0] & 15) == 8 && in[0] >> 4 <= 7 && (in[0] << 8 | in[1]) % 31 == 0;
}

#endif
