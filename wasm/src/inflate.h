/* Raw DEFLATE piece by piece, by zlib's inflate: what libdeflate cannot do. */
#ifndef FB_INFLATE_H
#define FB_INFLATE_H

#include <stddef.h>
#include <stdint.h>

struct fb_inflate;

struct fb_inflate *fb_inflate_new(void);
void fb_inflate_reset(struct fb_inflate *self);
void fb_inflate_free(struct fb_inflate *self);

/*
 * Reads from *in and writes to *out, moving both on, until the input or the space is used up or the
 * data ends. Returns 1 at the end of the data, FB_OK before it, else a negative enum fb_status.
 */
int fb_inflate_run(struct fb_inflate *self, const uint8_t **in, size_t *in_size, uint8_t **out,
                   size_t *out_size);

#endif
