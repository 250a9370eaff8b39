#include "device_queues.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "sys.h"
#include "text.h"

enum { RETRY_MS = 1000, CLAIM_AGAIN_MS = 20, NO_QUEUE = 0xffff };

/* -- Control commands -- */

static void control(struct devices *all, struct device *device, enum device_state state,
		    uint32_t command, const struct ublk_control *extra)
{
	struct ublk_control payload = *extra;

	payload.dev_id = (uint32_t)device->memory->dev_id;
	payload.queue_id = NO_QUEUE;
	device->state = state;
	device->commanded = true;
	ring_command(all->ring, all->control_fd, command, &payload, sizeof(payload),
		     device_ring_data(all, RING_CONTROL, device, 0, 0));
}

static void start_adding(struct devices *all, struct device *device)
{
	struct ublk_control extra = { .addr = (uintptr_t)&device->info,
				      .len = sizeof(device->info) };

	memset(&device->info, 0, sizeof(device->info));
	device->memory->dev_id = -1;
	device->info.dev_id = (uint32_t)-1;
	device->info.nr_hw_queues = (uint16_t)all->queue_count;
	device->info.queue_depth = (uint16_t)all->queue_depth;
	device->info.max_io_buf_bytes = all->max_io_bytes;
	device->info.flags = UBLK_USER_RECOVERY | UBLK_USER_RECOVERY_REISSUE;
	control(all, device, DEVICE_ADDING, UBLK_ADD_DEV, &extra);
}

static void start_setting(struct devices *all, struct device *device)
{
	struct ublk_control extra = { .addr = (uintptr_t)&device->parameters,
				      .len = sizeof(device->parameters) };

	ublk_parameters_fill(&device->parameters, &device->memory->record, all->max_io_bytes);
	control(all, device, DEVICE_SETTING, UBLK_SET_PARAMS, &extra);
}

static void start_plain(struct devices *all, struct device *device, enum device_state state,
			uint32_t command)
{
	struct ublk_control extra = { .data = (uint64_t)sys_getpid() };

	control(all, device, state, command, &extra);
}

/*
 * Once the kernel has this there is nothing left to take over: a gadget that dies before it hears of
 * the end would ask for ever.
 */
static void stop(struct devices *all, struct device *device)
{
	device->memory->live = false;
	start_plain(all, device, DEVICE_STOPPING, UBLK_STOP_DEV);
}

/* -- The life of a device -- */

bool device_is_used(const struct device *device)
{
	return device->state != DEVICE_NONE;
}

static void reset(struct device *device)
{
	struct device_memory *remembered = device->memory;

	memset(device, 0, sizeof(*device));
	device->memory = remembered;
	device->fd = -1;
}

void device_add(struct devices *all, struct device *device, const struct export_record *record)
{
	reset(device);
	device->memory->used = true;
	device->memory->live = false;
	device->memory->record = *record;
	start_adding(all, device);
}

void device_adopt(struct devices *all, struct device *device)
{
	reset(device);
	if (device->memory->live)
		start_plain(all, device, DEVICE_CLAIMING, UBLK_START_RECOVERY);
	else if (device->memory->dev_id >= 0)
		stop(all, device);
	else
		device->memory->used = false;
}

static void fail_outstanding(struct devices *all, struct device *device)
{
	struct request *next;

	for (struct request *request = all->outstanding->first; request; request = next) {
		next = request->next;
		if (request->device == device)
			device_complete(all, request, -ENODEV);
	}
}

void device_remove(struct devices *all, struct device *device)
{
	device->closing = true;
	fail_outstanding(all, device);
	if (device->commanded)
		return; /* that has to end first; what it reads fails at once */
	if (device->state == DEVICE_LIVE || device->state == DEVICE_CLAIMING) {
		stop(all, device);
	} else if (device->state == DEVICE_FAILED) {
		reset(device);
		device->memory->used = false;
	}
}

/* A step failed: undoes the others, then tries again or is gone. */
static void failed(struct devices *all, struct device *device, const char *step, int error)
{
	log_line(LOG_ERROR, "cannot %s the block device of export %08x: %e (%s)", step,
		 device->memory->record.id, error, errno_meaning(error));
	device->failures++;
	if (device->memory->dev_id >= 0) {
		stop(all, device);
	} else if (device->closing) {
		reset(device);
		device->memory->used = false;
	} else {
		device->state = DEVICE_FAILED;
	}
}

static void opened(struct devices *all, struct device *device, enum device_state state,
		   uint32_t command)
{
	int error = device_open_queues(all, device);

	if (error < 0)
		failed(all, device, "open", error);
	else
		start_plain(all, device, state, command);
}

static void stopped(struct devices *all, struct device *device)
{
	/* The tags come back by themselves, each with -ENODEV. */
	if (device->posted || device->commanded)
		return;
	device_close_queues(all, device);
	start_plain(all, device, DEVICE_DELETING, UBLK_DEL_DEV);
}

static void deleted(struct device *device, int error, uint64_t now_ms)
{
	bool again = device->failures && !device->closing;

	if (error < 0)
		log_line(LOG_ERROR, "cannot delete block device %d: %e", device->memory->dev_id,
			 error);
	device->memory->dev_id = -1;
	device->state = again ? DEVICE_FAILED : DEVICE_NONE;
	device->memory->used = again;
	device->retry_ms = now_ms + RETRY_MS;
}

static void control_completed(struct devices *all, struct device *device, int result,
			      uint64_t now_ms)
{
	if (device->closing && device->state < DEVICE_LIVE && device->memory->dev_id >= 0)
		return stop(all, device);
	switch (device->state) {
	case DEVICE_ADDING:
		if (result < 0)
			return failed(all, device, "add", result);
		device->memory->dev_id = (int32_t)device->info.dev_id;
		if (device->closing)
			return stop(all, device);
		return start_setting(all, device);
	case DEVICE_SETTING:
		if (result < 0)
			return failed(all, device, "set the parameters of", result);
		return opened(all, device, DEVICE_STARTING, UBLK_START_DEV);
	case DEVICE_STARTING:
	case DEVICE_RECOVERING:
		if (result < 0)
			return failed(all, device, "start", result);
		device->state = DEVICE_LIVE;
		device->memory->live = true;
		return;
	case DEVICE_CLAIMING:
		if (result == -EBUSY) {
			/* The kernel has not yet noticed the end of the one before. */
			device->retry_ms = now_ms + CLAIM_AGAIN_MS;
			return;
		}
		if (result < 0)
			return failed(all, device, "take over", result);
		return opened(all, device, DEVICE_RECOVERING, UBLK_END_RECOVERY);
	case DEVICE_STOPPING:
		return stopped(all, device);
	case DEVICE_DELETING:
		return deleted(device, result, now_ms);
	default:
		return;
	}
}

/* The kernel hands out a request, or gives a tag back. */
static void io_completed(struct devices *all, struct device *device, struct request *request,
			 int result)
{
	const struct ublk_io_desc *desc =
		&device->descriptors[request->queue][request->tag];
	int error;

	if (result < 0)
		return;
	error = ublk_request(desc, request->block_size, all->max_io_bytes, &request->message,
			     &request->bytes);
	request->message.request_id = (uint32_t)request->queue << 16 | request->tag;
	request->message.export_id = device->memory->record.id;
	request->answered = false;
	if (error > 0 && device->closing)
		error = -ENODEV;
	outstanding_add(all->outstanding, request);
	if (error <= 0)
		device_complete(all, request, error);
}

struct device *devices_completed(struct devices *all, uint64_t data, int result, uint64_t now_ms)
{
	struct device *device = &all->list[data >> 32 & (MAX_EXPORTS - 1)];
	unsigned queue = data >> 16 & 0xffff, tag = data & 0xffff;
	enum device_state before = device->state;

	if (RING_KIND(data) == RING_CONTROL) {
		device->retry_ms = 0;
		device->commanded = false;
		control_completed(all, device, result, now_ms);
		if (device->state == DEVICE_FAILED && !device->retry_ms)
			device->retry_ms = now_ms + RETRY_MS;
		return device->state != before ? device : NULL;
	}
	device->posted--;
	io_completed(all, device, &device->requests[queue * all->queue_depth + tag], result);
	if (device->state == DEVICE_STOPPING && !device->posted)
		stopped(all, device);
	return device->state != before ? device : NULL;
}

void devices_retry(struct devices *all, uint64_t now_ms)
{
	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		struct device *device = &all->list[i];

		if (!device->retry_ms || device->retry_ms > now_ms)
			continue;
		device->retry_ms = 0;
		if (device->state == DEVICE_CLAIMING)
			start_plain(all, device, DEVICE_CLAIMING, UBLK_START_RECOVERY);
		else if (device->state == DEVICE_FAILED)
			start_adding(all, device);
	}
}

int devices_wait_ms(const struct devices *all, uint64_t now_ms)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < MAX_EXPORTS; i++) {
		uint64_t at = all->list[i].retry_ms;

		if (at && (!first || at < first))
			first = at;
	}
	if (!first)
		return -1;
	return first > now_ms ? (int)(first - now_ms) : 0;
}
