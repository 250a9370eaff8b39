/* io_uring as the gadget uses it: one thread, SQEs of 128 bytes, commands and reads. */
#ifndef GADGET_RING_H
#define GADGET_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
	int fd;
	uint32_t *sq_head, *sq_tail, sq_mask, sq_next;
	uint32_t *cq_head, *cq_tail, cq_mask;
	uint8_t *sqes;
	void *cqes;
};

/* What has completed. */
struct ring_event {
	uint64_t data;
	int result;
};

int ring_open(struct ring *ring);

/*
 * Queues a command for the driver behind `fd`: IORING_OP_URING_CMD. Goes to the kernel at the next
 * ring_wait(), or when the queue is full.
 *
 * @param payload The driver's own structure, at most 80 bytes, copied.
 */
void ring_command(struct ring *ring, int fd, uint32_t command, const void *payload, size_t size,
		  uint64_t data);

/* Queues a read from the current position. */
void ring_read(struct ring *ring, int fd, void *into, uint32_t size, uint64_t data);

/* Submits what is queued and waits: 0 does not wait, negative waits for ever. */
int ring_wait(struct ring *ring, int wait_ms);

/* Takes the next completion; 0 when there is none. */
int ring_next(struct ring *ring, struct ring_event *into);

#endif
