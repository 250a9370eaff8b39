/* What the processes and threads of the gadget share. */
#ifndef GADGET_SHARED_H
#define GADGET_SHARED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "descriptors.h"
#include "device.h"
#include "gadget.h"
#include "link.h"
#include "log_ring.h"
#include "protocol.h"

/* Opened once by the supervisor: while it holds them the gadget stays on the bus. */
struct files {
	int ep0;
	int endpoints[ENDPOINTS];
	int dev;     /* the folder */
	int run;     /* the folder of exports.json */
	int control; /* /dev/ublk-control */
	int kmsg;
	int news;
};

/* Memory that outlives the process that serves: a new one goes on from here. */
struct shared {
	bool enabled; /* the function is, as told by the last event */
	struct export_list wanted;
	struct device_memory devices[MAX_EXPORTS];
	struct log_ring log;
};

/* From the thread of ep0 to the main loop, and the answers of STATUS. */
struct mailbox {
	pthread_mutex_t lock; /* of all but the last two */
	struct mail mail;
	bool has_config;
	struct export_list config;
	uint32_t exports; /* as STATUS tells */
	uint64_t session_id;
	int event_fd;	    /* something is new */
	uint32_t acked;	    /* counter of `idents` up to which transfers are reset: a futex */
};

struct ep0 {
	const struct files *files;
	struct shared *shared;
	struct mailbox *mailbox;
};

/* Serves control requests; never returns. `given` is a struct ep0. */
void ep0_run(void *given);

/* The process that serves; never returns. */
_Noreturn void worker_run(const struct gadget_options *options, const struct files *files,
			  struct shared *shared);

/* Writes exports.json anew: what is in `devices` and live. */
int exports_write(int folder, uint64_t session_id, const struct device_memory *devices);

#endif
