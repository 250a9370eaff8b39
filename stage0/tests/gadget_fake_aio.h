/* Native AIO in memory: what was submitted, in order, until a test ends it. */
#ifndef GADGET_FAKE_AIO_H
#define GADGET_FAKE_AIO_H

#include <linux/aio_abi.h>
#include <stdint.h>

struct fake_aio {
	struct iocb *queued[256];
	unsigned count, most;
	struct io_event events[256];
	unsigned ended;
	int refuse; /* what the next submission gives */
};

extern struct fake_aio fake_aio;

/* Ends a queued transfer. */
void fake_aio_end(unsigned index, int64_t result);
/* Index of the first that is queued on a descriptor, or -1. */
int fake_aio_first(int fd);

#endif
