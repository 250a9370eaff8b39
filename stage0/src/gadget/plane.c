#include "plane.h"

#include <errno.h>
#include <string.h>

#include "kernel.h"
#include "sys.h"

enum {
	BATCH = 2 * WINDOW,
	/*
	 * Each signal wakes the main loop, so not every transfer gives one: only each so-many-th, for
	 * the windows to be filled again in time, and the last of each payload. An error of one in
	 * between is seen at the next signal or STATUS.
	 */
	SIGNAL_EVERY = 8,
};

int plane_open(struct plane *plane, const int fds[ENDPOINTS])
{
	memset(plane, 0, sizeof(*plane));
	memcpy(plane->fds, fds, sizeof(plane->fds));
	memset(plane->free, 0xff, sizeof(plane->free));
	plane->chunk = CHUNK;
	plane->event_fd = sys_eventfd(0);
	if (plane->event_fd < 0)
		return plane->event_fd;
	return kernel_aio_setup(ENDPOINTS * WINDOW, &plane->context);
}

void plane_queue(struct plane *plane, enum endpoint endpoint, struct request *request)
{
	struct pipe *pipe = &plane->pipes[endpoint];

	request->pipe_next = NULL;
	if (pipe->first)
		pipe->last->pipe_next = request;
	else
		pipe->first = request;
	pipe->last = request;
}

/* What is to be submitted by one call. */
struct batch {
	struct iocb *blocks[BATCH];
	long count;
};

static bool has_room(const struct plane *plane, const struct batch *batch, enum endpoint endpoint)
{
	return plane->free[endpoint] && batch->count < BATCH;
}

static struct transfer *prepare(struct plane *plane, struct batch *batch, enum endpoint endpoint,
				void *buffer, uint32_t length, bool signal)
{
	unsigned slot = (unsigned)__builtin_ctz(plane->free[endpoint]);
	struct transfer *transfer = &plane->transfers[endpoint][slot];
	bool in = endpoint == INTERRUPT_IN || endpoint == BULK_IN;

	plane->free[endpoint] &= ~(1u << slot);
	memset(transfer, 0, sizeof(*transfer));
	transfer->endpoint = (uint8_t)endpoint;
	transfer->slot = (uint8_t)slot;
	transfer->busy = true;
	if (!buffer)
		buffer = plane->messages[endpoint == INTERRUPT_OUT][slot];
	transfer->block.aio_data = (uintptr_t)transfer;
	transfer->block.aio_lio_opcode = in ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	transfer->block.aio_fildes = (uint32_t)plane->fds[endpoint];
	transfer->block.aio_buf = (uintptr_t)buffer;
	transfer->block.aio_nbytes = length;
	if (signal || slot % SIGNAL_EVERY == SIGNAL_EVERY - 1) {
		transfer->block.aio_flags = IOCB_FLAG_RESFD;
		transfer->block.aio_resfd = (uint32_t)plane->event_fd;
	}
	batch->blocks[batch->count++] = &transfer->block;
	return transfer;
}

static void release(struct plane *plane, struct transfer *transfer)
{
	transfer->busy = false;
	plane->free[transfer->endpoint] |= 1u << transfer->slot;
}

static void prepare_reads(struct plane *plane, struct batch *batch)
{
	while (has_room(plane, batch, INTERRUPT_OUT) &&
	       plane->free[INTERRUPT_OUT] & ((1u << READS_AHEAD) - 1))
		prepare(plane, batch, INTERRUPT_OUT, NULL, INTERRUPT_PACKET, true);
}

static void prepare_requests(struct plane *plane, struct batch *batch, struct outstanding *all)
{
	while (all->unsent && has_room(plane, batch, INTERRUPT_IN)) {
		struct request *request = all->unsent;
		struct transfer *transfer =
			prepare(plane, batch, INTERRUPT_IN, NULL, MESSAGE_SIZE, false);

		request_encode((uint8_t *)(uintptr_t)transfer->block.aio_buf, &request->message);
		if (request->message.opcode == OP_WRITE) {
			request->payload = request->bytes;
			request->queued = 0;
			request->moved = 0;
			plane_queue(plane, BULK_IN, request);
		}
		outstanding_sent(all);
	}
}

static void prepare_payload(struct plane *plane, struct batch *batch, enum endpoint endpoint)
{
	struct pipe *pipe = &plane->pipes[endpoint];

	while (pipe->first && has_room(plane, batch, endpoint)) {
		struct request *request = pipe->first;
		uint32_t length = request->payload - request->queued;

		if (length > plane->chunk)
			length = plane->chunk;
		prepare(plane, batch, endpoint, request->buffer + request->queued, length,
			request->queued + length == request->payload)
			->request = request;
		request->queued += length;
		if (request->queued == request->payload)
			pipe->first = request->pipe_next;
	}
}

int plane_submit(struct plane *plane, struct outstanding *all, bool send)
{
	struct batch batch = { .count = 0 };
	long done = 0;

	if (!plane_is_clean(plane))
		return 0;
	prepare_reads(plane, &batch);
	if (send)
		prepare_requests(plane, &batch, all);
	prepare_payload(plane, &batch, BULK_IN);
	prepare_payload(plane, &batch, BULK_OUT);
	while (done < batch.count) {
		int taken = kernel_aio_submit(plane->context, batch.count - done,
					      batch.blocks + done);

		if (taken > 0) {
			done += taken;
			plane->in_flight += (unsigned)taken;
			continue;
		}
		for (; done < batch.count; done++)
			release(plane, (void *)(uintptr_t)batch.blocks[done]->aio_data);
		return taken ? taken : -EAGAIN;
	}
	return 0;
}

/* What one completion means; PLANE_NOTHING when it is only a part of something. */
static void ended(struct plane *plane, const struct io_event *event, struct plane_event *into)
{
	struct transfer *transfer = (void *)(uintptr_t)event->data;
	struct request *request = transfer->request;
	uint64_t wanted = transfer->block.aio_nbytes;

	into->what = PLANE_NOTHING;
	into->endpoint = transfer->endpoint;
	plane->in_flight--;
	release(plane, transfer);
	if (plane->draining)
		return;
	if (event->res < 0 || (transfer->endpoint != INTERRUPT_OUT && event->res != (int64_t)wanted)) {
		into->what = PLANE_FAULT;
		into->error = event->res < 0 ? (int)event->res : -EREMOTEIO;
	} else if (transfer->endpoint == INTERRUPT_OUT) {
		into->what = PLANE_RESPONSE;
		into->message = plane->messages[1][transfer->slot];
		into->length = (uint32_t)event->res;
	} else if (request) {
		request->moved += (uint32_t)wanted;
		into->request = request;
		if (request->moved == request->payload)
			into->what = PLANE_PAYLOAD;
	}
}

void plane_next(struct plane *plane, struct plane_event *into)
{
	into->what = PLANE_NOTHING;
	while (into->what == PLANE_NOTHING) {
		if (plane->event_next == plane->event_count) {
			plane->event_next = 0;
			plane->event_count = kernel_aio_events(plane->context, WINDOW,
							       plane->events);
			if (plane->event_count <= 0) {
				plane->event_count = 0;
				break;
			}
		}
		ended(plane, &plane->events[plane->event_next++], into);
	}
	if (!plane->in_flight)
		plane->draining = false;
}

void plane_reset(struct plane *plane)
{
	memset(plane->pipes, 0, sizeof(plane->pipes));
	if (!plane->in_flight)
		return;
	plane->draining = true;
	for (unsigned endpoint = 0; endpoint < ENDPOINTS; endpoint++) {
		for (unsigned slot = 0; slot < WINDOW; slot++) {
			struct transfer *transfer = &plane->transfers[endpoint][slot];

			/* Those that have ended meanwhile are not found, which is fine. */
			if (transfer->busy)
				kernel_aio_cancel(plane->context, &transfer->block);
		}
	}
}

bool plane_shrink(struct plane *plane)
{
	if (plane->chunk <= CHUNK_MIN)
		return false;
	plane->chunk /= 2;
	return true;
}

bool plane_is_clean(const struct plane *plane)
{
	return !plane->draining;
}
