/*
 * The process that is the smoo gadget: it owns FunctionFS and the ublk devices for as long as the
 * system runs. PID 1 starts it, hears from it through a pipe, and hands over to the distribution.
 */
#ifndef STAGE0_GADGET_H
#define STAGE0_GADGET_H

#include <stdbool.h>
#include <stdint.h>

struct gadget_options {
	const char *ffs;       /* where functionfs is mounted, not initialised yet */
	const char *run;       /* folder of exports.json: /run/smoo */
	unsigned queue_count;  /* of each block device, 1 to 16 */
	unsigned queue_depth;  /* requests in each queue, 1 to 1024 */
	uint32_t max_io_bytes; /* largest request: 4096 to 32 MiB, a multiple of 4096 */
	bool mimic_fastboot;   /* interface FF/42/03 instead of FF/53/4D */
	bool verbose;          /* also say what is normal */
};

enum gadget_said {
	GADGET_READY = 1, /* descriptors are written, endpoints exist: the UDC may be bound */
	GADGET_HOST,      /* a host sent IDENT */
	GADGET_EXPORTS,   /* a list of `count` exports was accepted; they come up next */
	GADGET_ONLINE,    /* the block device of export `index` of the list exists */
};

/* One message, written at once: fewer bytes than PIPE_BUF, so it is never torn. */
struct gadget_news {
	uint32_t what; /* enum gadget_said */
	uint32_t index;
	uint32_t count;
	uint32_t export_id;
	uint32_t block_size;
	uint32_t reserved;
	uint64_t size;   /* bytes */
	char device[32]; /* "/dev/ublkb0" */
};

/*
 * The process itself; never returns. Call it in a child of PID 1 that is already marked as one not
 * to be killed.
 *
 * It supervises the gadget proper, which it forks: before the handoff (as long as nobody has closed
 * the other end of `news`) the end of that one ends this one, with exit code 1 and a line on the
 * log. Afterwards it is started again and takes over its block devices (ublk user recovery).
 *
 * @param news Write end of a pipe for struct gadget_news.
 */
_Noreturn void gadget_run(const struct gadget_options *options, int news);

#endif
