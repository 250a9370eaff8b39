/*
 * The data plane: transfers on the four endpoints by native AIO, in order on each.
 */
#ifndef GADGET_PLANE_H
#define GADGET_PLANE_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "descriptors.h"
#include "request.h"

enum {
	WINDOW = 32, /* transfers in flight on each endpoint */
	READS_AHEAD = 16, /* of them on interrupt OUT */
	/*
	 * Bytes of one bulk transfer: a multiple of every packet size. Controllers without
	 * scatter-gather need this much in one piece from the kernel, which 32 KiB practically
	 * always is (PAGE_ALLOC_COSTLY_ORDER); halved when it is not.
	 */
	CHUNK = 32 << 10,
	CHUNK_MIN = 4 << 10,
};

struct transfer {
	struct iocb block;
	struct request *request; /* of a bulk transfer */
	uint8_t endpoint;
	uint8_t slot;
	bool busy;
};

/* Payloads in the order in which they go over the bulk endpoint. */
struct pipe {
	struct request *first, *last;
};

struct plane {
	aio_context_t context;
	int fds[ENDPOINTS];
	int event_fd; /* counts completions */
	uint32_t chunk;
	unsigned in_flight;
	bool draining; /* waits until what was in flight is gone */
	struct pipe pipes[ENDPOINTS];
	uint32_t free[ENDPOINTS]; /* slots, a bit for each */
	struct transfer transfers[ENDPOINTS][WINDOW];
	uint8_t messages[2][WINDOW][INTERRUPT_PACKET]; /* of the interrupt endpoints */
	struct io_event events[WINDOW];
	int event_count, event_next;
};

enum plane_said {
	PLANE_NOTHING,
	PLANE_RESPONSE, /* `message` of `length` bytes came */
	PLANE_PAYLOAD,	/* the payload of `request` is through */
	PLANE_FAULT,	/* a transfer on `endpoint` ended with `error` */
};

struct plane_event {
	enum plane_said what;
	const uint8_t *message; /* until the next plane_submit() */
	uint32_t length;
	struct request *request;
	enum endpoint endpoint;
	int error;
};

int plane_open(struct plane *plane, const int fds[ENDPOINTS]);

/* Queues the payload of `request` behind those already queued on this bulk endpoint. */
void plane_queue(struct plane *plane, enum endpoint endpoint, struct request *request);

/*
 * Hands to the kernel what the windows have room for; nothing while it drains.
 *
 * @param send Also Requests, in their order; false while the link is not online.
 * @return A negative errno when the kernel does not take it.
 */
int plane_submit(struct plane *plane, struct outstanding *all, bool send);

/* What has ended, one by one; PLANE_NOTHING when that is all. Nothing of what it drains. */
void plane_next(struct plane *plane, struct plane_event *into);

/* Takes back all that is in flight and forgets all payloads. */
void plane_reset(struct plane *plane);

/* Smaller transfers from now on; false when they are the smallest. */
bool plane_shrink(struct plane *plane);

/* Can new transfers be submitted? */
bool plane_is_clean(const struct plane *plane);

#endif
