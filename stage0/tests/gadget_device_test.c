/* The life of block devices, with a driver of ublk in memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gadget/device.h"
#include "gadget/kernel.h"
#include "gadget/shared.h"
#include "gadget_test.h"

enum { CONTROL_FD = 77, DEPTH = 4, QUEUES = 2, DEV_ID = 5 };

/* Commands that the driver has and has not completed. */
static struct command {
	int fd;
	uint32_t number;
	union {
		struct ublk_control control;
		struct ublk_io_command io;
	} payload;
	uint64_t data;
} commands[256];
static unsigned count;
static struct ublk_io_desc *descriptors; /* of both queues, as the driver writes them */
static char opened[32];
static int open_error;

void ring_command(struct ring *ring, int fd, uint32_t command, const void *payload, size_t size,
		  uint64_t data)
{
	struct command *into = &commands[count++];

	(void)ring;
	into->fd = fd;
	into->number = command;
	into->data = data;
	memcpy(&into->payload, payload, size);
}

int kernel_openat(int folder, const char *path, int flags, mode_t mode)
{
	size_t size = QUEUES * ublk_descriptors_offset(1, 4096);
	int fd;

	(void)mode;
	if (flags & O_CREAT)
		return openat(folder, path, flags, 0644);
	if (open_error)
		return open_error;
	snprintf(opened, sizeof(opened), "%s", path);
	fd = memfd_create("ublkc", 0);
	SAME(ftruncate(fd, (off_t)size), 0);
	descriptors = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return fd;
}

int kernel_renameat(int folder, const char *from, const char *to)
{
	return renameat(folder, from, folder, to);
}

static struct outstanding outstanding;
static struct device_memory memories[MAX_EXPORTS];
static struct devices all;
static const struct export_record record = { .id = 0xabcd, .block_size = 4096, .size = 1 << 20 };

static struct device *begin(void)
{
	all.control_fd = CONTROL_FD;
	all.queue_count = QUEUES;
	all.queue_depth = DEPTH;
	all.max_io_bytes = 65536;
	all.outstanding = &outstanding;
	for (unsigned i = 0; i < MAX_EXPORTS; i++)
		all.list[i].memory = &memories[i];
	return &all.list[3];
}

/* Takes the oldest command, which must be this one. */
static struct command take(uint32_t number)
{
	struct command first = commands[0];

	CHECK(count > 0);
	SAME(first.number, number);
	count--;
	memmove(commands, commands + 1, count * sizeof(*commands));
	return first;
}

static struct device *complete(uint32_t number, int result)
{
	struct command command = take(number);

	SAME(command.fd, CONTROL_FD);
	if (number == UBLK_ADD_DEV && result == 0) {
		struct ublk_info *info = (void *)(uintptr_t)command.payload.control.addr;

		SAME(command.payload.control.dev_id, 0xffffffff);
		SAME(info->nr_hw_queues, QUEUES);
		SAME(info->queue_depth, DEPTH);
		SAME(info->max_io_buf_bytes, 65536);
		SAME(info->flags, UBLK_USER_RECOVERY | UBLK_USER_RECOVERY_REISSUE);
		info->dev_id = DEV_ID;
	} else if (number != UBLK_ADD_DEV) {
		SAME(command.payload.control.dev_id, DEV_ID);
	}
	return devices_completed(&all, command.data, result, 1000);
}

static uint64_t fetched[QUEUES][DEPTH];

static void take_fetches(void)
{
	for (unsigned i = 0; i < QUEUES * DEPTH; i++) {
		struct command command = take(UBLK_FETCH);

		fetched[command.payload.io.q_id][command.payload.io.tag] = command.data;
		SAME(command.payload.io.addr % 4096, 0);
	}
}

static struct device *bring_up(void)
{
	struct device *device = begin();

	device_add(&all, device, &record);
	CHECK(complete(UBLK_ADD_DEV, 0) == device);
	complete(UBLK_SET_PARAMS, 0);
	SAME_TEXT(opened, "ublkc5");
	take_fetches();
	SAME(commands[0].payload.control.data, getpid());
	CHECK(!memories[3].live);
	CHECK(complete(UBLK_START_DEV, 0) == device);
	SAME(device->state, DEVICE_LIVE);
	CHECK(memories[3].live);
	SAME(memories[3].dev_id, DEV_ID);
	SAME(count, 0);
	return device;
}

/* The kernel wants one block. */
static struct request *ask(unsigned queue, unsigned tag, uint64_t sector)
{
	uint64_t offset = ublk_descriptors_offset(queue, 4096) / sizeof(struct ublk_io_desc);

	descriptors[offset + tag] = (struct ublk_io_desc){ .nr_sectors = 8, .start_sector = sector };
	devices_completed(&all, fetched[queue][tag], 0, 1000);
	return devices_find(&all, record.id, queue << 16 | tag);
}

TEST(device_life, "device: added, set, fetched, started; a request and its result")
{
	struct device *device = bring_up();
	struct request *request = ask(1, 2, 80);
	struct command commit;

	CHECK(outstanding.first == request);
	SAME(request->message.request_id, 0x10002);
	SAME(request->message.export_id, record.id);
	SAME(request->message.lba, 10);
	SAME(request->bytes, 4096);
	device_complete(&all, request, 4096);
	commit = take(UBLK_COMMIT_AND_FETCH);
	SAME(commit.payload.io.q_id, 1);
	SAME(commit.payload.io.tag, 2);
	SAME(commit.payload.io.result, 4096);
	CHECK(!outstanding.first);
	SAME(device->posted, QUEUES * DEPTH);
}

TEST(device_find, "devices_find() knows no tag, queue or export that is not there")
{
	bring_up();
	CHECK(devices_find(&all, record.id, 0x10003));
	CHECK(!devices_find(&all, record.id, 4));
	CHECK(!devices_find(&all, record.id, 0x20000));
	CHECK(!devices_find(&all, record.id, 0xffffffff));
	CHECK(!devices_find(&all, record.id + 1, 0));
}

TEST(device_refused, "device: what a host cannot do fails at once")
{
	struct request *request;

	bring_up();
	request = ask(0, 1, 3); /* not whole blocks */
	SAME(request->state, REQUEST_IDLE);
	SAME(take(UBLK_COMMIT_AND_FETCH).payload.io.result, -EINVAL);
	CHECK(!outstanding.first);
}

/* All tags come back from the driver, as they do on STOP. */
static struct device *return_tags(void)
{
	struct device *changed = NULL;

	for (unsigned i = 0; i < QUEUES * DEPTH; i++)
		changed = devices_completed(&all, fetched[i / DEPTH][i % DEPTH], -ENODEV, 1000);
	return changed;
}

TEST(device_removal, "device: removed with a request outstanding, which fails with -ENODEV")
{
	struct device *device = bring_up();

	ask(0, 0, 8);
	device_remove(&all, device);
	SAME(take(UBLK_COMMIT_AND_FETCH).payload.io.result, -ENODEV);
	/* what comes while it is stopped fails too */
	ask(0, 1, 8);
	CHECK(!outstanding.first);
	SAME(device->state, DEVICE_STOPPING);
	complete(UBLK_STOP_DEV, 0);
	SAME(take(UBLK_COMMIT_AND_FETCH).payload.io.result, -ENODEV);
	SAME(count, 0);
	return_tags();
	SAME(device->state, DEVICE_DELETING);
	CHECK(!device->requests);
	CHECK(complete(UBLK_DEL_DEV, 0) == device);
	CHECK(!device_is_used(device));
	CHECK(!memories[3].used);
}

TEST(device_removal_order, "device: deleted only when STOP has ended and every tag is back, in either order")
{
	struct device *device = bring_up();

	device_remove(&all, device);
	SAME(count, 1);
	return_tags();
	SAME(device->state, DEVICE_STOPPING);
	complete(UBLK_STOP_DEV, 0);
	complete(UBLK_DEL_DEV, 0);
	CHECK(!device_is_used(device));
}

TEST(device_removal_early, "device: removed while it is added, set or started")
{
	for (unsigned stage = 0; stage < 3; stage++) {
		struct device *device = begin();

		device_add(&all, device, &record);
		if (stage > 0)
			complete(UBLK_ADD_DEV, 0);
		if (stage > 1) {
			complete(UBLK_SET_PARAMS, 0);
			take_fetches();
		}
		device_remove(&all, device);
		SAME(count, 1);
		complete(stage == 0 ? UBLK_ADD_DEV : stage == 1 ? UBLK_SET_PARAMS : UBLK_START_DEV,
			 0);
		complete(UBLK_STOP_DEV, 0);
		if (stage > 1)
			return_tags();
		complete(UBLK_DEL_DEV, 0);
		CHECK(!device_is_used(device));
		SAME(count, 0);
	}
}

TEST(device_retry, "device: a step that fails is undone and tried again after a second")
{
	struct device *device = begin();

	device_add(&all, device, &record);
	complete(UBLK_ADD_DEV, -ENOMEM);
	SAME(device->state, DEVICE_FAILED);
	SAME(devices_wait_ms(&all, 1000), 1000);
	devices_retry(&all, 1999);
	SAME(count, 0);
	devices_retry(&all, 2000);
	complete(UBLK_ADD_DEV, 0);
	complete(UBLK_SET_PARAMS, -EINVAL);
	complete(UBLK_STOP_DEV, 0);
	complete(UBLK_DEL_DEV, 0);
	SAME(device->state, DEVICE_FAILED);
	open_error = -ENOENT;
	devices_retry(&all, 3000);
	complete(UBLK_ADD_DEV, 0);
	complete(UBLK_SET_PARAMS, 0);
	complete(UBLK_STOP_DEV, 0);
	complete(UBLK_DEL_DEV, 0);
	SAME(device->state, DEVICE_FAILED);
	device_remove(&all, device);
	CHECK(!device_is_used(device));
	SAME(devices_wait_ms(&all, 3000), -1);
}

TEST(device_removal_failed, "device: removed while it is added, which fails: not tried again")
{
	struct device *device = begin();

	device_add(&all, device, &record);
	device_remove(&all, device);
	complete(UBLK_ADD_DEV, -ENODEV);
	CHECK(!device_is_used(device));
	CHECK(!memories[3].used);
	SAME(devices_wait_ms(&all, 1000), -1);
}

TEST(device_no_memory, "device: without memory for its tags it has none that a Response could mean")
{
	struct device *device = begin();

	all.max_io_bytes = 32 << 20;
	all.queue_count = MAX_QUEUES;
	all.queue_depth = 0x10000000; /* more than an address space */
	device_add(&all, device, &record);
	take(UBLK_ADD_DEV);
	device->info.dev_id = DEV_ID;
	devices_completed(&all, (uint64_t)RING_CONTROL << 56 | 3ull << 32, 0, 1000);
	take(UBLK_SET_PARAMS);
	devices_completed(&all, (uint64_t)RING_CONTROL << 56 | 3ull << 32, 0, 1000);
	SAME(device->state, DEVICE_STOPPING);
	CHECK(!devices_find(&all, record.id, 0));
}

TEST(device_died_stopping, "device: one that was being stopped when its process died is not taken over")
{
	struct device *device = bring_up();

	device_remove(&all, device);
	take(UBLK_STOP_DEV);
	/* The next process begins. */
	device_adopt(&all, device);
	complete(UBLK_STOP_DEV, 0);
	complete(UBLK_DEL_DEV, 0);
	CHECK(!device_is_used(device));
}

TEST(device_recovery, "device: taken over from a process that died, as soon as the kernel lets it go")
{
	struct device *device = begin();

	memories[3] = (struct device_memory){ .used = true, .live = true, .dev_id = DEV_ID,
					      .record = record };
	device_adopt(&all, device);
	CHECK(!complete(UBLK_START_RECOVERY, -EBUSY));
	SAME(devices_wait_ms(&all, 1000), 20);
	devices_retry(&all, 1020);
	complete(UBLK_START_RECOVERY, 0);
	take_fetches();
	CHECK(complete(UBLK_END_RECOVERY, 0) == device);
	SAME(device->state, DEVICE_LIVE);
	CHECK(ask(1, 0, 8)->state == REQUEST_WAITING);
}

TEST(device_half_made, "device: one that was not started yet when its process died is removed")
{
	struct device *device = begin();

	memories[3] = (struct device_memory){ .used = true, .dev_id = DEV_ID, .record = record };
	device_adopt(&all, device);
	complete(UBLK_STOP_DEV, 0);
	complete(UBLK_DEL_DEV, 0);
	CHECK(!device_is_used(device));
}

TEST(exports_json, "exports_write() lists the devices that are there")
{
	char folder[] = "/tmp/gadget-test-XXXXXX", path[64], text[512] = "";
	int fd, at;

	CHECK(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY);
	memories[0] = (struct device_memory){ .used = true, .live = true, .dev_id = 0,
					      .record = record };
	memories[1] = (struct device_memory){ .used = true, .dev_id = 1, .record = record };
	memories[2] = (struct device_memory){ .used = true, .live = true, .dev_id = 2,
					      .record = { .id = 7, .block_size = 512,
							  .size = 1ull << 40 } };
	SAME(exports_write(fd, 0xffffffffffffffff, memories), 0);
	snprintf(path, sizeof(path), "%s/exports.json", folder);
	at = open(path, O_RDONLY);
	CHECK(read(at, text, sizeof(text) - 1) > 0);
	SAME_TEXT(text,
		  "{\"version\":0,\"session_id\":18446744073709551615,\"exports\":["
		  "{\"export_id\":43981,\"block_size\":4096,\"size_bytes\":1048576,"
		  "\"assigned_dev_id\":0,\"devnode\":\"/dev/ublkb0\"},"
		  "{\"export_id\":7,\"block_size\":512,\"size_bytes\":1099511627776,"
		  "\"assigned_dev_id\":2,\"devnode\":\"/dev/ublkb2\"}]}\n");
	unlink(path);
	rmdir(folder);
}
