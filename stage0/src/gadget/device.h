/*
 * Block devices: from an export to /dev/ublkbN and back.
 *
 * Each device goes through its states by control commands of ublk, which run beside everything else;
 * while it starts, the kernel already reads its partition table through it.
 */
#ifndef GADGET_DEVICE_H
#define GADGET_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"
#include "request.h"
#include "ring.h"
#include "ublk.h"

enum { MAX_QUEUES = 16 };

enum device_state {
	DEVICE_NONE,
	DEVICE_ADDING,
	DEVICE_SETTING,	   /* its parameters */
	DEVICE_STARTING,
	DEVICE_CLAIMING,   /* taken over from a gadget that died */
	DEVICE_RECOVERING, /* the same, as for starting */
	DEVICE_LIVE,
	DEVICE_STOPPING,
	DEVICE_DELETING,
	DEVICE_FAILED, /* tried again at `retry_ms` */
};

/* What outlives this process. */
struct device_memory {
	bool used;
	bool live; /* it was started: there is a block device that somebody may use */
	int32_t dev_id;
	struct export_record record;
};

struct device {
	enum device_state state;
	struct device_memory *memory;
	bool closing;	/* to be stopped as soon as that can be */
	bool commanded; /* a control command runs */
	int fd;		/* /dev/ublkcN */
	unsigned posted; /* commands that the kernel has not completed */
	unsigned failures;
	uint64_t retry_ms;
	struct request *requests; /* queue by queue */
	uint8_t *buffers;
	const struct ublk_io_desc *descriptors[MAX_QUEUES];
	/* The kernel reads and writes these while a command runs. */
	struct ublk_info info;
	struct ublk_parameters parameters;
};

/* What all devices share. */
struct devices {
	struct ring *ring;
	int folder;	/* /dev */
	int control_fd; /* /dev/ublk-control */
	unsigned queue_count, queue_depth;
	uint32_t max_io_bytes;
	struct outstanding *outstanding;
	struct device list[MAX_EXPORTS];
};

/* Kinds of `data` in completions; the rest of it is device, queue and tag. */
enum ring_kind { RING_MAIL = 1, RING_PLANE, RING_CONTROL, RING_IO };

#define RING_KIND(data) ((enum ring_kind)((data) >> 56))

/* Begins to make the block device of a record. */
void device_add(struct devices *all, struct device *device, const struct export_record *record);
/* Begins to take over what `device->memory` remembers. */
void device_adopt(struct devices *all, struct device *device);
/* Begins to remove it; what it has outstanding fails with -ENODEV. No transfer may use its memory. */
void device_remove(struct devices *all, struct device *device);

/*
 * A command of a device has completed.
 *
 * @return The device when its state changed, or NULL.
 */
struct device *devices_completed(struct devices *all, uint64_t data, int result, uint64_t now_ms);

/* Tries again what failed, when it is time. */
void devices_retry(struct devices *all, uint64_t now_ms);
/* Milliseconds until devices_retry() has something to do; -1 when never. */
int devices_wait_ms(const struct devices *all, uint64_t now_ms);

/* The request of a tag, or NULL when the device or the tag does not exist. */
struct request *devices_find(struct devices *all, uint32_t export_id, uint32_t request_id);

/* Tells the kernel the result, and takes the tag's next request. */
void device_complete(struct devices *all, struct request *request, int result);

/* Is it there, or on its way to be? */
bool device_is_used(const struct device *device);

#endif
