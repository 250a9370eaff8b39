/* One bzip2 stream, decoded in pieces by libbz2. */
#ifndef FB_BUNZIP_H
#define FB_BUNZIP_H

#include <stddef.h>
#include <stdint.h>

struct fb_bunzip;

/* NULL when there is no memory. Takes up to 4 MiB more when the header of the stream has been seen. */
struct fb_bunzip *fb_bunzip_new(void);
void fb_bunzip_free(struct fb_bunzip *self);

/* Decodes what it can, moving the four on. Returns 1 at the end of the stream, else an enum fb_status. */
int fb_bunzip_run(struct fb_bunzip *self, const uint8_t **in, size_t *in_size, uint8_t **out,
                  size_t *out_size);

/* Begins another stream. */
int fb_bunzip_restart(struct fb_bunzip *self);

#endif
