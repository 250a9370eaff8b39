#include "ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel.h"
#include "sys.h"

enum { ENTRIES = 128, SQE_SIZE = 128, COMMAND_OFFSET = 48 };

#define LOAD(pointer) __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
#define STORE(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)

static int is_mapped(void *at)
{
	return (uintptr_t)at < (uintptr_t)-4095;
}

int ring_open(struct ring *ring)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 | IORING_SETUP_COOP_TASKRUN };
	int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
	uint8_t *sq, *cq;
	uint32_t *array;

	memset(ring, 0, sizeof(*ring));
	ring->fd = kernel_uring_setup(ENTRIES, &p);
	if (ring->fd < 0)
		return ring->fd;
	sq = sys_mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(uint32_t), protection, flags,
		      ring->fd, IORING_OFF_SQ_RING);
	cq = sys_mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), protection,
		      flags, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = sys_mmap(NULL, (size_t)p.sq_entries * SQE_SIZE, protection, flags, ring->fd,
			      IORING_OFF_SQES);
	if (!is_mapped(sq) || !is_mapped(cq) || !is_mapped(ring->sqes))
		return -ENOMEM;
	ring->sq_head = (uint32_t *)(sq + p.sq_off.head);
	ring->sq_tail = (uint32_t *)(sq + p.sq_off.tail);
	ring->sq_mask = p.sq_entries - 1;
	ring->sq_next = *ring->sq_tail;
	ring->cq_head = (uint32_t *)(cq + p.cq_off.head);
	ring->cq_tail = (uint32_t *)(cq + p.cq_off.tail);
	ring->cq_mask = p.cq_entries - 1;
	ring->cqes = cq + p.cq_off.cqes;
	/* Entries are used in their order, so the indirection is the identity for ever. */
	array = (uint32_t *)(sq + p.sq_off.array);
	for (uint32_t i = 0; i < p.sq_entries; i++)
		array[i] = i;
	return 0;
}

static struct io_uring_sqe *next_entry(struct ring *ring)
{
	uint8_t *at;

	while (ring->sq_next - LOAD(ring->sq_head) > ring->sq_mask)
		ring_wait(ring, 0);
	at = ring->sqes + (size_t)(ring->sq_next & ring->sq_mask) * SQE_SIZE;
	ring->sq_next++;
	return memset(at, 0, SQE_SIZE);
}

void ring_command(struct ring *ring, int fd, uint32_t command, const void *payload, size_t size,
		  uint64_t data)
{
	struct io_uring_sqe *entry = next_entry(ring);

	entry->opcode = IORING_OP_URING_CMD;
	entry->fd = fd;
	entry->off = command;
	entry->user_data = data;
	memcpy((uint8_t *)entry + COMMAND_OFFSET, payload, size);
}

void ring_read(struct ring *ring, int fd, void *into, uint32_t size, uint64_t data)
{
	struct io_uring_sqe *entry = next_entry(ring);

	entry->opcode = IORING_OP_READ;
	entry->fd = fd;
	entry->off = (uint64_t)-1;
	entry->addr = (uintptr_t)into;
	entry->len = size;
	entry->user_data = data;
}

int ring_wait(struct ring *ring, int wait_ms)
{
	STORE(ring->sq_tail, ring->sq_next);
	return kernel_uring_enter(ring->fd, ring->sq_next - LOAD(ring->sq_head), wait_ms);
}

int ring_next(struct ring *ring, struct ring_event *into)
{
	uint32_t head = *ring->cq_head;
	const struct io_uring_cqe *entry;

	if (head == LOAD(ring->cq_tail))
		return 0;
	entry = (const struct io_uring_cqe *)ring->cqes + (head & ring->cq_mask);
	into->data = entry->user_data;
	into->result = entry->res;
	STORE(ring->cq_head, head + 1);
	return 1;
}
