/* The data plane over AIO in memory: order, windows, lengths, resets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gadget/bytes.h"
#include "gadget/plane.h"
#include "gadget_fake_aio.h"
#include "gadget_test.h"

static const int fds[ENDPOINTS] = { 100, 101, 102, 103 };
static struct plane plane;
static struct outstanding all;
static uint8_t memory[4 << 20];

static struct request *make(uint8_t opcode, uint32_t bytes)
{
	struct request *request = calloc(1, sizeof(*request));
	static uint32_t id;

	request->message.opcode = opcode;
	request->message.request_id = id++;
	request->message.num_blocks = bytes / 512;
	request->block_size = 512;
	request->bytes = bytes;
	request->buffer = memory;
	return request;
}

static void begin(void)
{
	SAME(plane_open(&plane, fds), 0);
	SAME(fake_aio.most, ENDPOINTS * WINDOW);
}

static unsigned queued(enum endpoint endpoint)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake_aio.count; i++)
		count += (int)fake_aio.queued[i]->aio_fildes == fds[endpoint];
	return count;
}

/* Ends the first transfer of an endpoint as it should, and gives its length. */
static uint64_t end_first(enum endpoint endpoint)
{
	int index = fake_aio_first(fds[endpoint]);
	uint64_t length;

	CHECK(index >= 0);
	length = fake_aio.queued[index]->aio_nbytes;
	fake_aio_end((unsigned)index, (int64_t)length);
	return length;
}

static struct plane_event next(void)
{
	struct plane_event event;

	plane_next(&plane, &event);
	return event;
}

TEST(plane_reads, "plane: keeps 16 reads queued for Responses, and gives each message once")
{
	uint8_t *buffer;

	begin();
	SAME(plane_submit(&plane, &all, false), 0);
	SAME(queued(INTERRUPT_OUT), READS_AHEAD);
	SAME(fake_aio.count, READS_AHEAD);
	for (unsigned i = 0; i < 100; i++) {
		struct plane_event event;

		buffer = (void *)(uintptr_t)fake_aio.queued[0]->aio_buf;
		SAME(fake_aio.queued[0]->aio_nbytes, INTERRUPT_PACKET);
		put32(buffer, i);
		fake_aio_end(0, 28);
		event = next();
		SAME(event.what, PLANE_RESPONSE);
		SAME(event.length, 28);
		SAME(get32(event.message), i);
		SAME(next().what, PLANE_NOTHING);
		SAME(plane_submit(&plane, &all, false), 0);
		SAME(queued(INTERRUPT_OUT), READS_AHEAD);
	}
}

TEST(plane_requests, "plane: sends Requests in order, only when it should, at most a window of them")
{
	uint32_t expected = 0;

	begin();
	for (unsigned i = 0; i < 100; i++)
		outstanding_add(&all, make(OP_READ, 512));
	plane_submit(&plane, &all, false);
	SAME(queued(INTERRUPT_IN), 0);
	while (expected < 100) {
		const struct iocb *block;

		plane_submit(&plane, &all, true);
		CHECK(queued(INTERRUPT_IN) <= WINDOW);
		block = fake_aio.queued[fake_aio_first(fds[INTERRUPT_IN])];
		SAME(block->aio_lio_opcode, IOCB_CMD_PWRITE);
		SAME(block->aio_nbytes, MESSAGE_SIZE);
		SAME(get32((uint8_t *)(uintptr_t)block->aio_buf + 4), expected++);
		end_first(INTERRUPT_IN);
		SAME(next().what, PLANE_NOTHING);
	}
	SAME(queued(INTERRUPT_IN), 0);
}

TEST(plane_payloads, "plane: moves payloads in the order of the Responses, in chunks, exactly as long")
{
	static const uint32_t sizes[] = { 512, 32768, 1 << 20, 33280, 3 << 20, 4096 };
	struct request *requests[6];
	unsigned done = 0, chunks = 0, signals = 0;
	uint8_t *at = NULL;

	begin();
	for (unsigned i = 0; i < 6; i++) {
		requests[i] = make(OP_READ, sizes[i]);
		requests[i]->payload = sizes[i];
		plane_queue(&plane, BULK_OUT, requests[i]);
	}
	while (done < 6) {
		const struct iocb *block;
		struct plane_event event;
		uint64_t length;

		plane_submit(&plane, &all, false);
		CHECK(queued(BULK_OUT) <= WINDOW);
		block = fake_aio.queued[fake_aio_first(fds[BULK_OUT])];
		SAME(block->aio_lio_opcode, IOCB_CMD_PREAD);
		if (!at)
			at = requests[done]->buffer;
		CHECK((uint8_t *)(uintptr_t)block->aio_buf == at);
		signals += block->aio_flags & IOCB_FLAG_RESFD;
		if (at + block->aio_nbytes == requests[done]->buffer + sizes[done])
			CHECK(block->aio_flags & IOCB_FLAG_RESFD);
		length = end_first(BULK_OUT);
		CHECK(length <= CHUNK);
		chunks++;
		at += length;
		event = next();
		if (at != requests[done]->buffer + sizes[done]) {
			SAME(event.what, PLANE_NOTHING);
			continue;
		}
		SAME(event.what, PLANE_PAYLOAD);
		CHECK(event.request == requests[done]);
		done++;
		at = NULL;
	}
	plane_submit(&plane, &all, false);
	SAME(queued(BULK_OUT), 0);
	/* few wake the main loop, but enough to fill the window again */
	CHECK(signals >= chunks / 8 && signals < chunks / 4);
}

TEST(plane_writes, "plane: sends the payload of Writes in the order of their Requests")
{
	struct request *w2 = make(OP_WRITE, 1024), *w1 = make(OP_WRITE, 40960);

	begin();
	outstanding_add(&all, make(OP_READ, 512));
	outstanding_add(&all, w2);
	outstanding_add(&all, make(OP_READ, 512));
	outstanding_add(&all, w1);
	plane_submit(&plane, &all, true);
	SAME(queued(INTERRUPT_IN), 4);
	SAME(queued(BULK_IN), 3);
	SAME(end_first(BULK_IN), 1024);
	CHECK(next().request == w2);
	SAME(end_first(BULK_IN), 32768);
	SAME(next().what, PLANE_NOTHING);
	SAME(end_first(BULK_IN), 8192);
	CHECK(next().request == w1);
}

TEST(plane_faults, "plane: a short payload, a short Request and an error are faults")
{
	struct plane_event event;
	struct request *request = make(OP_READ, 4096);

	begin();
	request->payload = 4096;
	plane_queue(&plane, BULK_OUT, request);
	plane_submit(&plane, &all, false);
	fake_aio_end((unsigned)fake_aio_first(fds[BULK_OUT]), 512);
	event = next();
	SAME(event.what, PLANE_FAULT);
	SAME(event.endpoint, BULK_OUT);
	SAME(event.error, -EREMOTEIO);
	fake_aio_end((unsigned)fake_aio_first(fds[INTERRUPT_OUT]), -ESHUTDOWN);
	event = next();
	SAME(event.what, PLANE_FAULT);
	SAME(event.error, -ESHUTDOWN);
	outstanding_add(&all, make(OP_READ, 512));
	plane_submit(&plane, &all, true);
	fake_aio_end((unsigned)fake_aio_first(fds[INTERRUPT_IN]), 20);
	SAME(next().what, PLANE_FAULT);
}

TEST(plane_resets, "plane: a reset takes all back, waits for it, and says nothing of it")
{
	struct request *request = make(OP_READ, 3 << 20);

	begin();
	request->payload = request->bytes;
	plane_queue(&plane, BULK_OUT, request);
	outstanding_add(&all, make(OP_READ, 512));
	plane_submit(&plane, &all, true);
	SAME(fake_aio.count, READS_AHEAD + 1 + WINDOW);
	/* one has ended well and nobody has looked yet */
	end_first(BULK_OUT);
	plane_reset(&plane);
	SAME(fake_aio.count, 0);
	CHECK(!plane_is_clean(&plane));
	SAME(plane_submit(&plane, &all, true), 0);
	SAME(fake_aio.count, 0);
	SAME(next().what, PLANE_NOTHING);
	CHECK(plane_is_clean(&plane));
	SAME(plane.in_flight, 0);
	outstanding_replay(&all);
	plane_submit(&plane, &all, true);
	SAME(queued(INTERRUPT_OUT), READS_AHEAD);
	SAME(queued(INTERRUPT_IN), 1);
	SAME(queued(BULK_OUT), 0);
}

TEST(plane_refused, "plane: what the kernel does not take is given up and told")
{
	begin();
	fake_aio.refuse = -EAGAIN;
	SAME(plane_submit(&plane, &all, false), -EAGAIN);
	SAME(plane.in_flight, 0);
	SAME(plane_submit(&plane, &all, false), 0);
	SAME(queued(INTERRUPT_OUT), READS_AHEAD);
}

TEST(plane_shrinks, "plane: transfers get smaller down to a page")
{
	begin();
	CHECK(plane_shrink(&plane));
	SAME(plane.chunk, CHUNK / 2);
	while (plane_shrink(&plane))
		;
	SAME(plane.chunk, CHUNK_MIN);
}
