/* The queues of a block device: buffers, descriptors, and the commands that hand tags back and forth. */
#include "device_queues.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"
#include "sys.h"
#include "text.h"

static unsigned tags(const struct devices *all)
{
	return all->queue_count * all->queue_depth;
}

uint64_t device_ring_data(const struct devices *all, enum ring_kind kind,
			  const struct device *device, unsigned queue, unsigned tag)
{
	return (uint64_t)kind << 56 | (uint64_t)(device - all->list) << 32 | queue << 16 | tag;
}

static void io_command(struct devices *all, struct request *request, uint32_t command, int result)
{
	struct device *device = request->device;
	struct ublk_io_command payload = { .q_id = request->queue, .tag = request->tag,
					   .result = result, .addr = (uintptr_t)request->buffer };

	device->posted++;
	ring_command(all->ring, device->fd, command, &payload, sizeof(payload),
		     device_ring_data(all, RING_IO, device, request->queue, request->tag));
}

void device_complete(struct devices *all, struct request *request, int result)
{
	outstanding_remove(all->outstanding, request);
	io_command(all, request, UBLK_COMMIT_AND_FETCH, result);
}

static bool is_mapped(const void *at)
{
	return (uintptr_t)at < (uintptr_t)-4095;
}

static size_t descriptors_size(const struct devices *all)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (all->queue_depth * sizeof(struct ublk_io_desc) + page - 1) / page * page;
}

static size_t buffers_size(const struct devices *all)
{
	return (size_t)tags(all) * all->max_io_bytes;
}

/* Fresh memory, or NULL. */
static void *memory(size_t size)
{
	void *at = sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return is_mapped(at) ? at : NULL;
}

int device_open_queues(struct devices *all, struct device *device)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char name[24];

	text_format(name, sizeof(name), "ublkc%d", device->memory->dev_id);
	device->fd = kernel_openat(all->folder, name, O_RDWR, 0);
	if (device->fd < 0)
		return device->fd;
	device->requests = memory(tags(all) * sizeof(struct request));
	device->buffers = memory(buffers_size(all));
	if (!device->requests || !device->buffers)
		return -ENOMEM;
	for (unsigned queue = 0; queue < all->queue_count; queue++) {
		void *at = sys_mmap(NULL, descriptors_size(all), PROT_READ,
				    MAP_SHARED | MAP_POPULATE, device->fd,
				    ublk_descriptors_offset(queue, page));

		if (!is_mapped(at))
			return -ENOMEM;
		device->descriptors[queue] = at;
	}
	for (unsigned i = 0; i < tags(all); i++) {
		struct request *request = &device->requests[i];

		request->device = device;
		request->queue = (uint16_t)(i / all->queue_depth);
		request->tag = (uint16_t)(i % all->queue_depth);
		request->buffer = device->buffers + (size_t)i * all->max_io_bytes;
		request->block_size = device->memory->record.block_size;
		io_command(all, request, UBLK_FETCH, 0);
	}
	return 0;
}

void device_close_queues(struct devices *all, struct device *device)
{
	for (unsigned queue = 0; queue < all->queue_count; queue++) {
		if (device->descriptors[queue])
			sys_munmap((void *)(uintptr_t)device->descriptors[queue],
				   descriptors_size(all));
		device->descriptors[queue] = NULL;
	}
	if (device->requests)
		sys_munmap(device->requests, tags(all) * sizeof(struct request));
	if (device->buffers)
		sys_munmap(device->buffers, buffers_size(all));
	device->requests = NULL;
	device->buffers = NULL;
	if (device->fd >= 0)
		sys_close(device->fd);
	device->fd = -1;
}

struct request *devices_find(struct devices *all, uint32_t export_id, uint32_t request_id)
{
	unsigned queue = request_id >> 16, tag = request_id & 0xffff;

	if (queue >= all->queue_count || tag >= all->queue_depth)
		return NULL;
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		struct device *device = &all->list[i];

		if (device->requests && device->memory->record.id == export_id)
			return &device->requests[queue * all->queue_depth + tag];
	}
	return NULL;
}
