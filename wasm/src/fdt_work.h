/*
 * A bound on the work of libfdt.
 *
 * libfdt looks everything up by walking the tree from its start, so a small overlay made for it takes
 * minutes on a large tree. Its loops that grow with the input pay here (scripts/lib/upstream.ts); when
 * nothing is left, the tree seems to end early, which every caller in libfdt handles. Who asked for the
 * work looks whether something is left before it believes the answer.
 */
#ifndef FB_FDT_WORK_H
#define FB_FDT_WORK_H

#include <stdint.h>

extern uint32_t fb_fdt_work_left;

/* Pays for work; gives 1 when nothing is left. */
static inline int fb_fdt_spend(uint32_t work)
{
	if (work < fb_fdt_work_left) {
		fb_fdt_work_left -= work;
		return 0;
	}
	fb_fdt_work_left = 0;
	return 1;
}

#endif
