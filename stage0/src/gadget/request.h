/*
 * Requests of the kernel's block layer that wait for the host, and what Responses mean for them.
 * Pure: no calls to the kernel.
 */
#ifndef GADGET_REQUEST_H
#define GADGET_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

enum request_state {
	REQUEST_IDLE,	 /* the kernel has the tag */
	REQUEST_WAITING, /* to be sent, or to be sent again */
	REQUEST_SENT,
	REQUEST_PAYLOAD, /* a read whose bytes are on their way */
};

struct device;

/* One for each tag of each queue of each block device. */
struct request {
	struct request *next, *previous; /* in struct outstanding */
	struct request *pipe_next;	 /* in struct pipe of the data plane */
	struct device *device;
	uint8_t *buffer;
	struct message message;
	enum request_state state;
	uint32_t block_size;
	uint32_t bytes;	  /* asked for */
	uint32_t payload; /* to be moved by bulk transfers */
	uint32_t queued;  /* of the payload: handed to the kernel */
	uint32_t moved;	  /* of the payload: done */
	int result;	  /* for the kernel's block layer, when it is answered */
	bool answered;	  /* a Write: its payload may still be on its way */
	uint16_t queue, tag;
};

/* All of all devices, in the order in which the kernel issued them: the order of sending them. */
struct outstanding {
	struct request *first, *last;
	struct request *unsent; /* the first that is WAITING; all behind it are too */
};

/* Puts one in state WAITING behind all others. */
void outstanding_add(struct outstanding *all, struct request *request);
void outstanding_remove(struct outstanding *all, struct request *request);
/* The one in `unsent` was sent. */
void outstanding_sent(struct outstanding *all);
/* The link was lost: whatever was sent has to be sent again, in the same order. */
void outstanding_replay(struct outstanding *all);

enum verdict {
	RESPONSE_DROPPED, /* it answers nothing that is asked */
	RESPONSE_DONE,	  /* `result` is set */
	RESPONSE_PAYLOAD, /* `payload` is set: so many bytes follow on bulk OUT */
	RESPONSE_FAULT,	  /* host and gadget no longer agree on what comes next on bulk OUT */
};

/*
 * What a Response means for its request, which is NULL when there is none of that export and id.
 *
 * An unexpected Response that brings bytes is a fault: taken for those of another request they would
 * be wrong data.
 */
enum verdict request_answered(struct request *request, const struct message *response);

#endif
